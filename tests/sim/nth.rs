//! The n-th operation goes wrong, for every n.

use std::time::Duration;

use chatwire::turn::{Busy, Leaving};

use crate::fault::{Fault, How};
use crate::house::{KEPT, OWN};
use crate::page::Reading;
use crate::random::Random;
use crate::script::{End, Said, Script, Step};
use crate::store::WRONGS;
use crate::turn::{self, Disturb, Draw, Tamper};
use crate::wire::{PROTOCOLS, Style};
use crate::{House, quiet, runtime};

/// Operations of the store in a turn of this script, and some more.
const OPERATIONS: usize = 24;

/// Everything with everything takes too long for every day.
fn everything() -> bool {
    std::env::var_os("CHATWIRE_SIM_ALL").is_some()
}

fn words(pieces: &[&str]) -> Said {
    Said::Text(pieces.iter().map(|piece| (*piece).to_owned()).collect())
}

/// A turn with thoughts, texts and tools in two steps.
fn script() -> Script {
    let call = |id: &str, tool| Said::Call { id: id.to_owned(), tool, arguments: vec!["{".to_owned(), "}".to_owned()] };
    let thought = Said::Thought(vec!["let ".to_owned(), "me see".to_owned()]);
    let asks = Step {
        said: vec![thought, words(&["I ", "look."]), call("a", "quick"), call("b", "streams")],
        end: End::Calls,
    };
    let says = Step { said: vec![words(&["It ", "is ", "漢字 \u{1f600}", "."])], end: End::Stop };
    Script { steps: vec![asks, says] }
}

fn draw(dialect: &'static str, keeps: bool, protocol: &'static str) -> Draw {
    Draw {
        dialect,
        keeps,
        protocol,
        targets: 1,
        scripts: [script(), Script::text(&["And ", "more."])],
        faults: Vec::new(),
        style: Style::default(),
        reading: Reading::All,
        disturb: Disturb::Nothing,
        pumped: None,
        leaving: Leaving::Cancel,
        busy: Busy::Interrupt,
        wrong: None,
        tamper: |_, _| {},
        random: Random::new(7),
    }
}

fn check(house: &mut House, runtime: &tokio::runtime::Runtime, draw: &Draw, wrong: &mut Vec<String>) {
    let broken = runtime.block_on(turn::bounded(house, draw));
    if !broken.is_empty() {
        wrong.push(format!(
            "{} {} {:?} {:?} {:?}: {broken:#?}",
            draw.dialect, draw.protocol, draw.wrong, draw.faults, draw.disturb
        ));
    }
}

#[test]
fn whichever_operation_of_the_store_goes_wrong_the_laws_hold() {
    quiet();
    let (mut house, runtime, mut wrong) = (House::new(), runtime(), Vec::new());
    let after = |millis| Duration::from_millis(millis);
    let all = everything();
    for (number, dialect) in KEPT.into_iter().enumerate() {
        for disturb in [
            Disturb::Nothing,
            Disturb::Stop(after(12)),
            Disturb::Stop(after(200)),
            Disturb::Again(after(20)),
            Disturb::Leave(after(9)),
        ] {
            for how in WRONGS {
                for at in (0..OPERATIONS).filter(|at| all || (at + how as usize) % KEPT.len() == number) {
                    let protocol = PROTOCOLS[at % PROTOCOLS.len()];
                    let draw = Draw { disturb, wrong: Some((at, how)), ..draw(dialect, true, protocol) };
                    check(&mut house, &runtime, &draw, &mut wrong);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong[..wrong.len().min(10)].join("\n"));
}

#[test]
fn wherever_the_providers_answer_goes_wrong_the_laws_hold() {
    quiet();
    let (mut house, runtime, mut wrong) = (House::new(), runtime(), Vec::new());
    for protocol in PROTOCOLS {
        for at in (0..=1000).step_by(if everything() { 4 } else { 50 }) {
            let ways = [How::Clean, How::Broken, How::Never].map(|how| Fault::Cut(at, how));
            let more = [Fault::Panics(at), Fault::Error(at), Fault::Missing(at), Fault::Twice(at), Fault::Swapped(at)];
            for (number, fault) in ways.into_iter().chain(more).enumerate() {
                for faults in [vec![fault.clone()], vec![Fault::None, fault]] {
                    let dialect = OWN[(at / 2 + number) % OWN.len()];
                    check(&mut house, &runtime, &Draw { faults, ..draw(dialect, false, protocol) }, &mut wrong);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong[..wrong.len().min(10)].join("\n"));
}

/// The last frame of an answer: a line, or an event.
fn last_frame(bytes: &[u8]) -> usize {
    let end = bytes.trim_ascii_end();
    end.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}

#[test]
fn a_page_that_stops_reading_is_given_up() {
    quiet();
    let (mut house, runtime, mut wrong) = (House::new(), runtime(), Vec::new());
    for (dialect, at) in OWN.into_iter().zip([1, 2, 3, 5, 8]) {
        let pumped = Some(Duration::from_secs(20));
        let draw = Draw {
            faults: vec![Fault::Endless],
            reading: Reading::Stops(at),
            pumped,
            ..draw(dialect, false, "openai-chat")
        };
        check(&mut house, &runtime, &draw, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_laws_see_what_is_spoiled() {
    quiet();
    let (mut house, runtime) = (House::new(), runtime());
    let tampers: [(&str, Tamper); 7] = [
        ("law 1", |seen, _| seen.bytes.truncate(last_frame(&seen.bytes))),
        ("law 1", |seen, _| seen.bytes.extend_from_within(last_frame(&seen.bytes)..)),
        ("law 2", |_, asked| asked.iter_mut().for_each(|asked| asked.full = asked.full.replace("It ", "He "))),
        ("law 3", |_, asked| asked.iter_mut().for_each(|asked| asked.complete = false)),
        ("law 3", |_, asked| asked.iter_mut().for_each(|asked| asked.text.push('!'))),
        ("law 4", |seen, _| seen.at += Duration::from_secs(90)),
        ("law 6", |_, asked| asked[0].dropped = None),
    ];
    for dialect in ["vercel-data-stream", "vercel-ui-stream", "vercel-typed-lines", "callback-sse"] {
        for (law, tamper) in tampers {
            let draw = Draw { tamper, ..draw(dialect, false, "openai-chat") };
            let wrong = runtime.block_on(turn::bounded(&mut house, &draw));
            assert!(wrong.iter().any(|what| what.starts_with(law)), "{dialect}: {law} is not seen: {wrong:?}");
        }
    }
    let asked_again: Tamper = |_, asked| asked[0].complete = false;
    let draw = Draw { tamper: asked_again, ..draw("vercel-text", false, "anthropic") };
    let wrong = runtime.block_on(turn::bounded(&mut house, &draw));
    assert!(wrong.iter().any(|what| what.starts_with("law 7")), "{wrong:?}");
}
