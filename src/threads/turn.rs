//! A request for a turn: its thread is claimed, what it begins with is checked and stored, and the turn begins.

use std::sync::Arc;
use std::time::Duration;

use chatwire_protocols::chat::{ChatRequest, Message, Role};
use chatwire_protocols::error::Failure;
use chatwire_protocols::event::{CancelledBy, Text};
use chatwire_protocols::items::{Body, Item, Pasted, Style, Thread, ThreadStatus, UserMessage, messages, metadata};
use chatwire_protocols::operation::{Begin, TurnAsk};
use chatwire_protocols::protocol::{KeptContext, ReplyContext};
use serde_json::{Map, Value};

use super::begin;
use super::draft::{Draft, Next, ThreadHandle};
use super::error::{conflict, invalid, no_thread};
use super::listing::show;
use super::title::Naming;
use super::{Asker, Reply, Said, ThreadError, Threads, new_id, title};
use crate::clock::now_ms;
use crate::config::plan::Model;
use crate::store::{Pending, Write};
use crate::turn::{Busy, Claim, Kept, Unclaimed, answering, parts};

/// How long a request waits for a turn of its thread.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a turn that has asked a page may take to be wound up.
const WINDING_UP: Duration = Duration::from_secs(10);

/// Most bytes of uploaded files that a model is given, as base64; the newest come first.
const MOST_PASTED: usize = 64 << 20;

/// A thread on which only this request works.
struct ClaimedThread {
    claim: Claim,
    thread: Thread,
    made: bool,
}

impl Threads {
    /// Begins a turn.
    pub(super) async fn turn(self: &Arc<Self>, asker: Asker<'_>, ask: TurnAsk) -> Result<Reply, ThreadError> {
        let TurnAsk { thread, make, begin, chat } = ask;
        if matches!(begin, Begin::Direct) {
            return self.direct(asker, thread, chat).await;
        }
        if let (Some(id), Begin::Action(act)) = (&thread, &begin) {
            let (handle, thread) = self.open_thread(asker, id).await?;
            if !asker.memory.actions.get(&act.name).is_some_and(|plan| plan.say) {
                return self.act_alone(handle, thread, chat, act).await;
            }
        }
        if let (Some(id), Begin::Outputs { answers, lenient }) = (&thread, &begin)
            && let Some(follower) = self.turns.follow(asker.owner, id)
            && let handle = (ThreadHandle { threads: self, asker, thread: id, made: false })
            && begin::is_repeated(&handle.draft(None).await?, answers, *lenient)
        {
            // Sent again while the turn that it has begun still runs.
            return Ok(Reply::Turn(follower, chat.wire));
        }
        let makes = matches!(begin, Begin::Message { .. }) && (make || thread.is_none());
        let patience = match (asker.memory.busy, &begin) {
            (_, Begin::Message { .. } | Begin::Retry { .. } | Begin::Action(_) | Begin::Direct) => None,
            (Busy::Refuse, Begin::Outputs { .. } | Begin::Form { .. }) => Some(WINDING_UP),
            (Busy::Wait | Busy::Interrupt, Begin::Outputs { .. } | Begin::Form { .. }) => Some(PATIENCE),
        };
        let mut claimed = self.hold(asker, thread, makes, patience).await?;
        let handle = ThreadHandle { threads: self, asker, thread: &claimed.thread.id.clone(), made: claimed.made };
        let mut words = None;
        let draft = match begin {
            Begin::Message { id, message, place } => {
                words = title_words(&claimed.thread, &message);
                begin::message(handle, id, message, place).await?
            }
            Begin::Outputs { answers, lenient } => begin::outputs(handle, answers, lenient).await?,
            Begin::Retry { after } => begin::retry(handle, after).await?,
            Begin::Form { item, answers } => begin::form(handle, &item, answers).await?,
            Begin::Action(act) => begin::act(handle, &act).await?.0,
            Begin::Direct => Draft::default(),
        };
        let names = asker.memory.title_model.clone();
        if names.is_none() && claimed.made {
            claimed.thread.title = words.as_deref().and_then(title::of_message);
        }
        let naming = words.map(|words| {
            Naming::new(asker.owner, &claimed.thread, words, names).counted_by(asker.admission.meter.clone())
        });
        self.begin(handle, claimed, draft, chat, naming).await
    }

    async fn begin(
        self: &Arc<Self>,
        handle: ThreadHandle<'_>,
        claimed: ClaimedThread,
        mut draft: Draft,
        mut chat: ChatRequest,
        naming: Option<Naming>,
    ) -> Result<Reply, ThreadError> {
        let ClaimedThread { claim, thread, made } = claimed;
        let asker = handle.asker;
        chat.thread = Some(thread.id.as_str().into());
        chat.continues.clone_from(&draft.continues);
        chat.regenerate |= draft.regenerate;
        let opening = ChatRequest { messages: Vec::new(), own_provider: None, ..chat.clone() };
        let mut writes = Vec::new();
        if made {
            writes.extend(room(asker));
            writes.push(Write::Thread(thread.clone()));
        }
        writes.append(&mut draft.writes);
        if !writes.is_empty() {
            writes.push(Write::Touch { updated: now_ms() });
        }
        let model = match &draft.next {
            Next::Model => Some(model_of(asker, &chat, &draft.items)?),
            Next::Said(_) => None,
        };
        let turn = asker.turn_id();
        let mut context = self.context(asker, &turn, model.as_deref(), thread.clone(), made, &mut draft);
        if let Some(kept) = &mut context.kept
            && asker.route.frontend.sessions().is_some()
        {
            kept.usage = self.store().thread_usage(asker.owner, &thread.id).await?;
        }
        let id = thread.id.clone();
        let Some(model) = model else {
            self.write(asker, &id, writes).await?;
            let events = if let Next::Said(events) = draft.next { events } else { Vec::new() };
            return Ok(Reply::Said(Box::new(Said { chat: opening, context, events })));
        };
        let told = draft.told(asker.memory.history);
        let pasted = self.pasted(asker, &told).await;
        if let Some(Value::String(prompt)) = thread.metadata.get(metadata::SYSTEM_PROMPT) {
            chat.messages.push(Message::text(Role::System, prompt));
        }
        chat.messages.extend(messages(&told, &pasted));
        let wire = chat.wire;
        let mut parts = parts(&self.means, asker.route, Some(asker.owner), turn, chat, model).await;
        // From here on nothing can be refused: what is stored is answered.
        let stored: Pending<()> = match writes.is_empty() {
            true => Box::pin(std::future::ready(Ok(()))),
            false => self.store().apply(asker.owner, &id, writes),
        };
        let beside = naming.filter(|_| thread.title.is_none()).map(|naming| naming.run(Arc::clone(self)));
        let page_calls = asker.route.protocol.frontend.as_ref().is_some_and(|frontend| frontend.page_calls);
        parts.page_calls = page_calls;
        parts.admission = asker.admission.clone();
        let kept = Kept {
            claim,
            parts,
            chat: opening,
            context,
            keeps: true,
            store: Arc::clone(&self.means.store),
            owner: asker.owner.clone(),
            style: Style { page_calls },
            leaving: asker.memory.leaving,
            beside,
        };
        Ok(Reply::Turn(self.turns.start_behind(stored, kept).await?, wire))
    }

    /// A turn of which nothing is kept. It takes its turn in its thread, and can be stopped there.
    async fn direct(
        &self,
        asker: Asker<'_>,
        thread: Option<Text>,
        mut chat: ChatRequest,
    ) -> Result<Reply, ThreadError> {
        let model = answering(asker.route, asker.key, chat.model.as_deref(), chat.own_provider.take())?;
        let thread = thread.unwrap_or_else(|| new_id("thr"));
        let claim = self.claim(asker, &thread, None).await?;
        chat.thread = Some(thread);
        let told = std::mem::take(&mut chat.messages);
        let opening = chat.clone();
        chat.messages = told;
        let (turn, wire) = (asker.turn_id(), chat.wire);
        let context = ReplyContext {
            turn: turn.clone(),
            message: new_id("msg"),
            model: model.name.as_str().into(),
            created: now_ms() / 1000,
            kept: None,
        };
        let mut parts = parts(&self.means, asker.route, Some(asker.owner), turn, chat, model).await;
        parts.admission = asker.admission.clone();
        let follower = self.turns.start(Kept {
            claim,
            parts,
            chat: opening,
            context,
            keeps: false,
            store: Arc::clone(&self.means.store),
            owner: asker.owner.clone(),
            style: Style { page_calls: false },
            leaving: asker.memory.leaving,
            beside: None,
        });
        Ok(Reply::Turn(follower, wire))
    }

    /// An action that the model is not told of: it waits for no turn.
    async fn act_alone(
        self: &Arc<Self>,
        handle: ThreadHandle<'_>,
        thread: Thread,
        chat: ChatRequest,
        act: &chatwire_protocols::operation::Act,
    ) -> Result<Reply, ThreadError> {
        let (mut draft, _) = begin::act(handle, act).await?;
        let writes = std::mem::take(&mut draft.writes);
        self.write(handle.asker, &thread.id, writes).await?;
        let opening = ChatRequest { messages: Vec::new(), thread: Some(thread.id.as_str().into()), ..chat };
        let context = self.context(handle.asker, &new_id("turn"), None, thread, false, &mut draft);
        let events = if let Next::Said(events) = draft.next { events } else { Vec::new() };
        Ok(Reply::Said(Box::new(Said { chat: opening, context, events })))
    }

    /// A thread that may go on, and where it is.
    async fn open_thread<'a>(
        &'a self,
        asker: Asker<'a>,
        thread: &'a str,
    ) -> Result<(ThreadHandle<'a>, Thread), ThreadError> {
        let (_, found) = self.store().thread(asker.owner, thread).await?.ok_or_else(no_thread)?;
        check_open(&found)?;
        Ok((ThreadHandle { threads: self, asker, thread, made: false }, found))
    }

    async fn write(&self, asker: Asker<'_>, thread: &str, writes: Vec<Write>) -> Result<(), ThreadError> {
        if writes.is_empty() {
            return Ok(());
        }
        Ok(self.store().apply(asker.owner, thread, writes).await?)
    }

    /// Claims the thread, which is made if it is new and may be.
    async fn hold(
        &self,
        asker: Asker<'_>,
        id: Option<Text>,
        makes: bool,
        patience: Option<Duration>,
    ) -> Result<ClaimedThread, ThreadError> {
        let given = id.is_some();
        let id = id.unwrap_or_else(|| new_id("thr"));
        // Refused before it waits, and looked at again behind the wait: somebody may have deleted or locked it.
        self.check(asker, &id, given, makes).await?;
        let claim = self.claim(asker, &id, patience).await?;
        let found = self.check(asker, &id, given, makes).await?;
        let made = found.is_none();
        let thread = found.unwrap_or_else(|| new_thread(asker, id, Map::new()));
        Ok(ClaimedThread { claim, thread, made })
    }

    async fn check(&self, asker: Asker<'_>, id: &str, given: bool, makes: bool) -> Result<Option<Thread>, ThreadError> {
        if !given {
            return Ok(None);
        }
        let Some((_, thread)) = self.store().thread(asker.owner, id).await? else {
            return match makes {
                false => Err(no_thread()),
                true if begin::is_sane_id(id) => Ok(None),
                true => Err(invalid("id", "a thread's id has 1 to 256 visible characters")),
            };
        };
        check_open(&thread)?;
        Ok(Some(thread))
    }

    pub(super) async fn claim(
        &self,
        asker: Asker<'_>,
        id: &str,
        patience: Option<Duration>,
    ) -> Result<Claim, ThreadError> {
        let patience = match (patience, asker.memory.busy) {
            (Some(patience), _) => patience,
            (None, Busy::Refuse) => Duration::ZERO,
            (None, Busy::Wait) => PATIENCE,
            (None, Busy::Interrupt) => {
                self.turns.stop(asker.owner, id, CancelledBy::NewerTurn).await;
                PATIENCE
            }
        };
        self.turns.claim(asker.owner, id, patience).await.map_err(|why| match why {
            Unclaimed::Busy => conflict("busy", "another message of this thread is being answered"),
            Unclaimed::Full => ThreadError::Failed(Failure::exhausted("as many turns run as may (`max_turns`)")),
        })
    }

    fn context(
        &self,
        asker: Asker<'_>,
        turn: &Text,
        model: Option<&Model>,
        thread: Thread,
        made: bool,
        draft: &mut Draft,
    ) -> ReplyContext {
        let mut added = std::mem::take(&mut draft.added);
        added.iter_mut().for_each(|item| show(asker, item));
        let replaced = std::mem::take(&mut draft.replaced);
        let shown = std::mem::take(&mut draft.shown);
        ReplyContext {
            turn: turn.clone(),
            message: draft.continues.clone().unwrap_or_else(|| new_id("msg")),
            model: model.map(|model| model.name.as_str().into()).unwrap_or_default(),
            created: now_ms() / 1000,
            kept: Some(Box::new(KeptContext { thread, made, added, replaced, shown, usage: Vec::new() })),
        }
    }

    /// The bytes of the uploaded files that these items name, as far as there is room; the newest first.
    async fn pasted(&self, asker: Asker<'_>, items: &[Item]) -> Pasted {
        let mut pasted = Pasted::new();
        let mut room = MOST_PASTED;
        let messages = items.iter().rev().filter_map(|item| match &item.body {
            Body::User(message) => Some(message),
            _ => None,
        });
        for attachment in messages.flat_map(|message| &message.attachments) {
            let size = usize::try_from(attachment.size.saturating_mul(4) / 3).unwrap_or(usize::MAX);
            if size > room {
                break;
            }
            if let Some(file) = asker.files.bytes(asker.owner, attachment).await {
                room -= size;
                pasted.insert(attachment.id.clone(), file);
            }
        }
        pasted
    }
}

/// A thread that begins here, in one of the route's sessions if it has such.
pub fn new_thread(asker: Asker<'_>, id: Text, mut metadata: Map<String, Value>) -> Thread {
    if asker.route.frontend.sessions().is_some() {
        metadata.insert(metadata::SESSIONS.to_owned(), Value::from(asker.route.path.as_str()));
    }
    let now = now_ms();
    let id = id.into_string();
    Thread { id, title: None, status: ThreadStatus::Active, metadata, created: now, updated: now }
}

/// What must be right before another thread begins here.
pub fn room(asker: Asker<'_>) -> Option<Write> {
    let most = asker.route.frontend.sessions()?.most;
    Some(Write::Room { sessions: asker.route.path.clone(), most })
}

/// A locked or closed thread takes nothing more.
pub fn check_open(thread: &Thread) -> Result<(), ThreadError> {
    let (code, message, reason) = match &thread.status {
        ThreadStatus::Active => return Ok(()),
        ThreadStatus::Locked(reason) => ("thread_locked", "this thread is locked", reason),
        ThreadStatus::Closed(reason) => ("thread_closed", "this thread is closed", reason),
    };
    Err(match reason {
        Some(reason) => conflict(code, &format!("{message}: {reason}")),
        None => conflict(code, message),
    })
}

/// The model that the page names, or else the one that the user chose with the message that is answered, if it is one
/// of the route's.
fn model_of(asker: Asker<'_>, chat: &ChatRequest, items: &[Item]) -> Result<Arc<Model>, ThreadError> {
    let own = || chat.own_provider.clone();
    if chat.model.is_none() {
        let chosen = items.iter().rev().find_map(|item| match &item.body {
            Body::User(message) => Some(message.model.as_deref()),
            _ => None,
        });
        if let Some(Ok(model)) = chosen.flatten().map(|name| answering(asker.route, asker.key, Some(name), own())) {
            return Ok(model);
        }
    }
    Ok(answering(asker.route, asker.key, chat.model.as_deref(), own())?)
}

/// What an untitled thread is named by.
fn title_words(thread: &Thread, message: &UserMessage) -> Option<String> {
    thread.title.is_none().then(|| title::words(message)).flatten()
}
