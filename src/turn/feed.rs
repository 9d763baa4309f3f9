//! What a kept turn says, for several pages: a bounded log in which each has its own place.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use chatwire_protocols::chat::ChatRequest;
use chatwire_protocols::error::CallerError;
use chatwire_protocols::event::{CancelledBy, Event};
use chatwire_protocols::protocol::ReplyContext;
use tokio::sync::watch;

use super::turns::Leaving;
use super::weight::weight;
use crate::upstream::Tried;

/// Most that is remembered for pages that come later.
pub(super) const MOST: usize = 16 << 20;

/// Most of what is said while a page follows that it may not have read, until the turn waits for it.
pub(super) const BEHIND: usize = 1 << 20;

/// Most pages that follow one turn.
pub(super) const MOST_READERS: usize = 64;

/// Most events that one read takes.
const BATCH: usize = 512;

/// A turn as its followers see it.
#[derive(Debug)]
pub(super) struct Feed {
    /// The request without its conversation.
    pub chat: ChatRequest,
    /// The context of every reply.
    pub context: ReplyContext,
    leaving: Leaving,
    most: usize,
    behind: usize,
    log: Mutex<Log>,
    cancel: watch::Sender<Option<CancelledBy>>,
    wound_up: watch::Sender<bool>,
}

/// What is known of a turn beside its events.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// The target that is being asked, or was asked last.
    pub target: String,
    /// What was tried.
    pub tried: Tried,
    /// What the caller did wrong, if that is why the turn failed.
    pub mistake: Option<CallerError>,
    /// Whether its answers so far were known without asking a provider.
    pub cached: Option<bool>,
}

#[derive(Debug, Default)]
struct Log {
    events: VecDeque<Event>,
    /// How many events have been forgotten; the first one that is left has this place.
    forgotten: u64,
    weight: usize,
    /// The weight of all events that there have been.
    said: u64,
    ended: bool,
    facts: Facts,
    readers: Vec<Reader>,
    next_reader: u64,
    /// The turn, waiting for slow pages.
    writer: Option<Waker>,
}

#[derive(Debug)]
struct Reader {
    id: u64,
    /// The place of the next event.
    at: u64,
    /// The weight of what was said before it came: it is not behind with that.
    joined: u64,
    /// The weight of what it has read of the log.
    taken: u64,
    /// True if it is waited for no more.
    cut: bool,
    waker: Option<Waker>,
}

/// What a read has found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// More events.
    More,
    /// The rest is forgotten: this reader was too slow.
    Lost,
}

impl Feed {
    /// An empty feed that remembers events of `most` bytes, and whose readers may be `behind` by so many.
    pub fn new(chat: ChatRequest, context: ReplyContext, leaving: Leaving, most: usize, behind: usize) -> Self {
        Self {
            chat,
            context,
            leaving,
            most,
            behind,
            log: Mutex::default(),
            cancel: watch::Sender::new(None),
            wound_up: watch::Sender::new(false),
        }
    }

    /// Adds a reader at the start, which gets this number; nothing if the start is forgotten, the turn has ended or too
    /// many read.
    pub fn join(&self) -> Option<u64> {
        let mut log = self.log();
        if log.forgotten > 0 || log.ended || log.readers.len() >= MOST_READERS {
            return None;
        }
        let id = log.next_reader;
        log.next_reader += 1;
        let joined = log.said;
        log.readers.push(Reader { id, at: 0, joined, taken: 0, cut: false, waker: None });
        // From now on somebody may be kept waiting by the others.
        let writer = log.writer.take();
        drop(log);
        writer.into_iter().for_each(Waker::wake);
        Some(id)
    }

    /// Takes a reader away. The last one may cancel the turn.
    pub fn leave(&self, reader: u64) {
        let mut log = self.log();
        log.readers.retain(|other| other.id != reader);
        let alone = log.readers.is_empty() && !log.ended;
        let writer = log.writer.take();
        drop(log);
        if alone && self.leaving == Leaving::Cancel {
            self.cancel(CancelledBy::User);
        }
        writer.into_iter().for_each(Waker::wake);
    }

    /// Gives a reader its next events, of which there is at least one.
    pub fn read(&self, reader: u64, cx: &mut Context<'_>, out: &mut Vec<Event>) -> Poll<Read> {
        let mut log = self.log();
        let Log { events, forgotten, readers, writer, .. } = &mut *log;
        let Some(reader) = readers.iter_mut().find(|other| other.id == reader) else { return Poll::Ready(Read::Lost) };
        let Some(from) = reader.at.checked_sub(*forgotten).filter(|_| !reader.cut) else {
            return Poll::Ready(Read::Lost);
        };
        let before = out.len();
        out.extend(events.range(from as usize..).take(BATCH).cloned());
        let count = out.len() - before;
        if count == 0 {
            if !reader.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                reader.waker = Some(cx.waker().clone());
            }
            return Poll::Pending;
        }
        reader.at += count as u64;
        reader.taken += out.iter().skip(before).map(|event| weight(event) as u64).sum::<u64>();
        let writer = writer.take();
        drop(log);
        writer.into_iter().for_each(Waker::wake);
        Poll::Ready(Read::More)
    }

    /// Appends events.
    pub fn append(&self, events: impl Iterator<Item = Event>) {
        self.push(events, None);
    }

    /// Appends the last events, the turn's end among them.
    pub fn end(&self, events: impl Iterator<Item = Event>, facts: Facts) {
        self.push(events, Some(facts));
    }

    fn push(&self, events: impl Iterator<Item = Event>, end: Option<Facts>) {
        let mut log = self.log();
        if log.ended {
            return;
        }
        for event in events {
            let weight = weight(&event);
            log.weight += weight;
            log.said += weight as u64;
            log.events.push_back(event);
        }
        if let Some(facts) = end {
            (log.ended, log.facts) = (true, facts);
        }
        let seen = log.seen();
        log.forget(self.most, seen);
        let wakers: Vec<Waker> = log.readers.iter_mut().filter_map(|reader| reader.waker.take()).collect();
        drop(log);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Ready when all readers are near enough to the end that more may be said.
    pub fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut log = self.log();
        let seen = log.seen();
        log.forget(self.most, seen);
        let (forgotten, said) = (log.forgotten, log.said);
        let near = |reader: &Reader| reader.is_lost(forgotten) || reader.behind(said) <= self.behind;
        if log.weight <= self.most && log.readers.iter().all(near) {
            return Poll::Ready(());
        }
        log.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// True if some reader keeps up, while others may not.
    pub fn somebody_keeps_up(&self) -> bool {
        let log = self.log();
        let near = |reader: &Reader| !reader.is_lost(log.forgotten) && reader.behind(log.said) <= self.behind;
        log.readers.iter().any(near)
    }

    /// Gives up whoever is too far behind, and forgets what is too much.
    pub fn cut_slow(&self) {
        let mut log = self.log();
        log.forget(self.most, u64::MAX);
        let Log { forgotten, readers, said, .. } = &mut *log;
        for reader in &mut *readers {
            reader.cut |= reader.behind(*said) > self.behind;
        }
        let slow = readers.iter_mut().filter(|reader| reader.is_lost(*forgotten));
        let wakers: Vec<Waker> = slow.filter_map(|reader| reader.waker.take()).collect();
        drop(log);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// True once the last event has been appended.
    pub fn ended(&self) -> bool {
        self.log().ended
    }

    /// What is known of the turn now.
    pub fn facts(&self) -> Facts {
        self.log().facts.clone()
    }

    /// Says which target answers, what was tried before it, and whether its answers so far were known without it.
    pub fn set_target(&self, target: String, tried: Tried, cached: Option<bool>) {
        let facts = &mut self.log().facts;
        (facts.target, facts.tried, facts.cached) = (target, tried, cached);
    }

    /// Asks the turn to end. The first who asks counts.
    pub fn cancel(&self, by: CancelledBy) {
        self.cancel.send_if_modified(|cancelled| {
            let first = cancelled.is_none();
            if first {
                *cancelled = Some(by);
            }
            first
        });
    }

    /// Waits until somebody asks the turn to end.
    pub fn cancelled(&self) -> impl Future<Output = CancelledBy> + Send + 'static {
        let mut cancelled = self.cancel.subscribe();
        async move {
            // The feed lives as long as the turn that waits here.
            let by = cancelled.wait_for(Option::is_some).await.ok().and_then(|by| *by);
            by.unwrap_or(CancelledBy::User)
        }
    }

    /// Says that the turn has let go of its thread and has nothing more to store.
    pub fn set_wound_up(&self) {
        self.wound_up.send_replace(true);
    }

    /// Waits for that.
    pub async fn wound_up(&self) {
        let mut wound_up = self.wound_up.subscribe();
        // The sender is ours.
        let _ = wound_up.wait_for(|wound_up| *wound_up).await;
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    /// The weight of what it has not read of what was said since it came.
    fn behind(&self, said: u64) -> usize {
        usize::try_from(said.saturating_sub(self.taken.max(self.joined))).unwrap_or(usize::MAX)
    }

    /// True if it cannot go on: it was cut, or what comes next is forgotten.
    const fn is_lost(&self, forgotten: u64) -> bool {
        self.cut || self.at < forgotten
    }
}

impl Log {
    /// The place up to which all readers have read. One that was cut is waited for no more.
    fn seen(&self) -> u64 {
        let end = self.forgotten + self.events.len() as u64;
        let waited_for = self.readers.iter().filter(|reader| !reader.is_lost(self.forgotten));
        waited_for.map(|reader| reader.at).min().unwrap_or(end)
    }

    /// Forgets the oldest events in front of a place until what is left weighs at most `most`.
    fn forget(&mut self, most: usize, place: u64) {
        while self.weight > most && self.forgotten < place {
            let Some(event) = self.events.pop_front() else { return };
            self.weight -= weight(&event);
            self.forgotten += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Wake;

    use chatwire_protocols::event::BlockId;

    use super::*;

    struct Nobody;

    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }

    fn feed(most: usize) -> Feed {
        Feed::new(ChatRequest::default(), ReplyContext::default(), Leaving::Finish, most, most)
    }

    fn delta(number: u32) -> Event {
        Event::BlockDelta { block: BlockId(number), text: "x".into() }
    }

    fn read(feed: &Feed, reader: u64) -> (Poll<Read>, Vec<Event>) {
        let waker = Waker::from(Arc::new(Nobody));
        let mut out = Vec::new();
        (feed.read(reader, &mut Context::from_waker(&waker), &mut out), out)
    }

    fn room(feed: &Feed) -> bool {
        let waker = Waker::from(Arc::new(Nobody));
        feed.poll_room(&mut Context::from_waker(&waker)).is_ready()
    }

    #[test]
    fn a_page_that_was_cut_is_not_waited_for_again() {
        let feed = feed(1);
        let (slow, fast) = (feed.join().unwrap(), feed.join().unwrap());
        feed.append((0..10).map(delta));
        assert_eq!(read(&feed, fast).1.len(), 10);
        assert!(!room(&feed));
        feed.cut_slow();
        feed.append((0..10).map(delta));
        assert_eq!(read(&feed, fast).1.len(), 10);
        assert!(room(&feed));
        assert_eq!(read(&feed, slow).0, Poll::Ready(Read::Lost));
    }

    /// A small pseudo-random number.
    fn next(seed: &mut u64) -> u64 {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        *seed
    }

    #[test]
    fn however_reads_and_writes_are_mixed_every_reader_sees_the_same() {
        for seed in 1..200 {
            let mut random = seed;
            let feed = feed(usize::MAX);
            let mut readers: Vec<(u64, Vec<Event>)> = Vec::new();
            let mut written = 0;
            while written < 100 {
                match next(&mut random) % 4 {
                    0 => {
                        let count = (next(&mut random) % 9) as u32;
                        feed.append((written..written + count).map(delta));
                        written += count;
                    }
                    1 if readers.len() < 5 => readers.push((feed.join().unwrap(), Vec::new())),
                    _ if !readers.is_empty() => {
                        let at = next(&mut random) as usize % readers.len();
                        let (polled, events) = read(&feed, readers[at].0);
                        assert_eq!(polled.is_ready(), !events.is_empty());
                        readers[at].1.extend(events);
                    }
                    _ => {}
                }
            }
            let all: Vec<Event> = (0..written).map(delta).collect();
            for (reader, mut seen) in readers {
                seen.extend(read(&feed, reader).1);
                assert_eq!(seen, all, "seed {seed}");
            }
        }
    }

    #[test]
    fn what_all_have_read_is_forgotten_beyond_the_bound_and_then_nobody_joins() {
        let one = weight(&delta(0));
        let feed = feed(one * 3);
        let reader = feed.join().unwrap();
        feed.append((0..3).map(delta));
        let late = feed.join().unwrap();
        assert_eq!((read(&feed, reader).1.len(), read(&feed, late).1.len()), (3, 3));
        feed.append((3..5).map(delta));
        assert_eq!(feed.join(), None);
        assert_eq!((read(&feed, reader).1, read(&feed, late).1), (vec![delta(3), delta(4)], vec![delta(3), delta(4)]));
    }

    #[test]
    fn a_slow_reader_holds_the_turn_up_until_it_is_cut_and_the_others_are_not() {
        let one = weight(&delta(0));
        let feed = feed(one * 3);
        let (quick, slow) = (feed.join().unwrap(), feed.join().unwrap());
        feed.append((0..5).map(delta));
        assert_eq!(read(&feed, quick).1.len(), 5);
        assert!(!room(&feed), "one has not read");
        assert!(feed.somebody_keeps_up());
        feed.cut_slow();
        assert!(room(&feed));
        feed.append((5..6).map(delta));
        assert_eq!(read(&feed, quick).1, vec![delta(5)]);
        feed.append((6..12).map(delta));
        assert_eq!(read(&feed, quick).1.len(), 6);
        assert!(room(&feed), "who is cut holds nobody up again, even before he knows");
        assert_eq!(read(&feed, slow), (Poll::Ready(Read::Lost), vec![]));
        feed.append((5..6).map(delta));
        assert_eq!(read(&feed, quick).1, vec![delta(5)]);
    }

    #[test]
    fn who_comes_late_is_not_behind_with_what_was_said_before() {
        let one = weight(&delta(0));
        let feed = Feed::new(ChatRequest::default(), ReplyContext::default(), Leaving::Finish, one * 100, one * 3);
        let first = feed.join().unwrap();
        feed.append((0..10).map(delta));
        assert!(!room(&feed), "the first is behind, though all is remembered");
        assert!(!feed.somebody_keeps_up());
        assert_eq!(read(&feed, first).1.len(), 10);
        let late = feed.join().unwrap();
        assert!(room(&feed));
        feed.append((10..13).map(delta));
        assert_eq!(read(&feed, first).1.len(), 3);
        assert!(room(&feed));
        feed.append((13..14).map(delta));
        assert!(!room(&feed));
        feed.cut_slow();
        assert!(room(&feed));
        assert_eq!(read(&feed, late).0, Poll::Ready(Read::Lost));
        assert_eq!(read(&feed, first).1, vec![delta(13)]);
    }

    #[test]
    fn a_single_event_beyond_the_bound_reaches_whoever_keeps_up() {
        let feed = feed(10);
        let reader = feed.join().unwrap();
        feed.append([delta(0)].into_iter());
        assert!(!room(&feed));
        assert_eq!(read(&feed, reader).1, vec![delta(0)]);
        assert!(room(&feed));
    }

    #[test]
    fn so_many_follow_and_no_more() {
        let feed = feed(MOST);
        let readers: Vec<u64> = (0..MOST_READERS).map(|_| feed.join().unwrap()).collect();
        assert_eq!(feed.join(), None);
        feed.leave(readers[0]);
        assert!(feed.join().is_some());
    }
}
