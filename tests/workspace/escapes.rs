//! Every attempt of the table is made, behind walls that stand. With `BLESS=1` the table of `docs/workspace.md` is
//! written anew.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::fs;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;
use std::time::Duration;

use chatwire::sandbox::{Ending, Limits, Session, Task};

use crate::attempts::{ATTEMPTS, PRELUDE};
use crate::folder::Temporary;

const LIMITS: Limits = Limits { memory: 200 << 20, processes: 64, cpu: 2, file: 64 << 20, temporary: 100 << 20 };

fn task(folder: &Path, command: &str, environment: &[(&str, String)]) -> Task {
    let path = ("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin".to_owned());
    let environment = [path].into_iter().chain(environment.iter().cloned());
    Task {
        command: command.to_owned(),
        folder: folder.to_owned(),
        readable: Vec::new(),
        environment: environment.map(|(name, value)| (name.to_owned(), value)).collect(),
        network: false,
        limits: LIMITS,
    }
}

async fn run(task: &Task) -> (Ending, String) {
    let running = async {
        let mut session = Session::start(Path::new(env!("CARGO_BIN_EXE_chatwire")), task).await.unwrap();
        let (mut output, mut piece) = (Vec::new(), vec![0; 16 << 10]);
        loop {
            let read = session.read(&mut piece).await.unwrap();
            output.extend_from_slice(&piece[..read]);
            assert!(output.len() < 1 << 20, "too much output: {}", task.command);
            if read == 0 {
                return (session.end().await.unwrap(), String::from_utf8_lossy(&output).into_owned());
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), running).await.unwrap_or_else(|_| panic!("{} hangs", task.command))
}

/// False where the kernel lacks a wall: then nothing runs, which is shown, and the rest cannot be.
async fn walls_stand(folder: &Path) -> bool {
    let (ending, output) = run(&task(folder, "echo ran > ran", &[])).await;
    let ran = folder.join("ran").exists();
    if let Ending::Refused(lack) = ending {
        assert!(!ran && output.is_empty(), "it was refused and ran all the same: {output}");
        eprintln!("skipped: commands are refused here, because {lack}");
        return false;
    }
    assert!(ran, "{ending:?} {output}");
    true
}

/// Processes of the machine with this in their command line.
fn left(mark: &str) -> usize {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.map(|entry| fs::read_to_string(entry.path().join("cmdline")));
    lines.filter(|line| line.as_ref().is_ok_and(|line| line.contains(mark))).count()
}

#[tokio::test]
async fn no_attempt_gets_out() {
    let (inside, outside) = (Temporary::new(), Temporary::new());
    if !walls_stand(inside.path()).await {
        return;
    }
    for name in ["secret", "gateway.toml", "store.db"] {
        fs::write(outside.path().join(name), "CANARY").unwrap();
    }
    let _socket = UnixListener::bind(outside.path().join("socket")).unwrap();
    let name = format!("chatwire-escape-{}", std::process::id());
    let _abstract = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mark = format!("chatwire-stays-{}", std::process::id());
    let environment = [
        ("OUTSIDE", outside.path().display().to_string()),
        ("PORT", listener.local_addr().unwrap().port().to_string()),
        ("NAME", name),
        ("GATEWAY", std::process::id().to_string()),
        ("MARK", mark.clone()),
    ];
    let mut table = String::from("| attempt | what happened |\n|---|---|\n");
    let mut wrong = Vec::new();
    for (attempt, script) in ATTEMPTS {
        let folder = Temporary::new();
        let (ending, output) = run(&task(folder.path(), &format!("{PRELUDE}{script}"), &environment)).await;
        let happened = happened(&ending, &output);
        let got_out = output.contains("ESCAPED") || output.contains("CANARY");
        let kept = fs::read_to_string(outside.path().join("secret")).is_ok_and(|text| text == "CANARY");
        let refused = matches!(ending, Ending::Refused(_)) || happened.is_empty();
        if got_out || refused || !kept || left(&mark) > 0 {
            wrong.push(format!("{attempt}: {ending:?} {output}"));
        }
        table.push_str(&format!("| {attempt} | {happened} |\n"));
    }
    eprintln!("{table}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(!Path::new("/usr/chatwire-escaped").exists());
    documented(&table);
}

/// In a few words that are the same every time.
fn happened(ending: &Ending, output: &str) -> String {
    let last = output.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let said = last.rsplit(": ").next().unwrap_or_default().trim().trim_end_matches('.');
    let said = said.rsplit(" - ").next().unwrap_or_default();
    match ending {
        Ending::Memory => "ended: too much memory".to_owned(),
        Ending::Processes => "ended: too many processes".to_owned(),
        Ending::Signal(signal) => format!("ended by signal {signal}"),
        _ => said.to_owned(),
    }
}

fn documented(table: &str) {
    const MARKS: (&str, &str) = ("<!-- attempts -->\n", "<!-- end of attempts -->");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/workspace.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(MARKS.0).expect("the table has a place");
    let (there, after) = rest.split_once(MARKS.1).expect("the table has an end");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, format!("{before}{}\n{table}\n{}{after}", MARKS.0, MARKS.1)).unwrap();
        return;
    }
    // What happened is in the words of the machine; what was tried is ours.
    let names = |table: &str| -> Vec<String> {
        let rows = table.lines().filter_map(|row| row.strip_prefix("| ")?.split(" | ").next().map(str::to_owned));
        rows.collect()
    };
    assert_eq!(names(there), names(table), "BLESS=1 writes the table anew");
}

#[tokio::test]
async fn dropping_a_session_ends_every_process_of_it() {
    let folder = Temporary::new();
    if !walls_stand(folder.path()).await {
        return;
    }
    // Whoever has the pipe open for writing lives; when nobody does, reading it ends.
    let pipe = folder.path().join("alive");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let script = "trap '' TERM INT HUP; exec 9>alive; setsid -f sleep 1000; (sleep 1000 &); sleep 1000 & wait";
    let task = task(folder.path(), script, &[]);
    let session = Session::start(Path::new(env!("CARGO_BIN_EXE_chatwire")), &task).await.unwrap();
    let opening = tokio::task::spawn_blocking(move || fs::File::open(pipe).unwrap());
    let mut alive = tokio::time::timeout(Duration::from_secs(30), opening).await.expect("nothing runs").unwrap();
    drop(session);
    let ended = tokio::task::spawn_blocking(move || std::io::Read::read(&mut alive, &mut [0]).unwrap());
    assert_eq!(tokio::time::timeout(Duration::from_secs(30), ended).await.expect("somebody lives on").unwrap(), 0);
}

#[tokio::test]
async fn a_command_does_its_work_behind_the_walls() {
    let folder = Temporary::new();
    if !walls_stand(folder.path()).await {
        return;
    }
    for (script, ending, output) in [
        ("pwd; echo two >&2; exit 3", Ending::Exit(3), "/workspace\ntwo\n"),
        ("mkdir -p a/b && echo hi > a/b/c && cat a/b/c && chmod +x a/b/c && rm -r a", Ending::Exit(0), "hi\n"),
        ("kill -TERM $$", Ending::Signal(15), ""),
        ("echo temporary > /tmp/x && cat /tmp/x", Ending::Exit(0), "temporary\n"),
        ("cat < /dev/stdin; echo $((1+1)) | (read a; echo $a)", Ending::Exit(0), "2\n"),
        ("id -un", Ending::Exit(0), "user\n"),
    ] {
        assert_eq!(run(&task(folder.path(), script, &[])).await, (ending, output.to_owned()), "{script}");
    }
}
