//! The tools that work on files, and how they are kept in.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chatwire::sandbox::Limits;
use chatwire::store::Owner;
use chatwire::tools::workspace::{Bash, EDIT, FileTool, GLOB, GREP, Per, READ, WRITE, Work, Workspace};
use chatwire::tools::{Scope, Speaker, Tool, ToolInput};
use chatwire_protocols::event::ToolOutcome;
#[cfg(target_os = "linux")]
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::{Value, json};

use crate::folder::Temporary;

fn shared(folder: &Temporary) -> Arc<Workspace> {
    Arc::new(Workspace { root: folder.path().join("in"), per: Per::Shared })
}

async fn call(tool: &dyn Tool, arguments: Value, scope: Scope) -> Result<String, String> {
    let (speaker, mut heard) = Speaker::new();
    // Somebody listens, as the gateway does.
    tokio::spawn(async move { while heard.recv().await.is_some() {} });
    let output = tool.run(ToolInput { call: "c".into(), arguments, scope: Arc::new(scope) }, speaker).await;
    let text = output.output.as_str().unwrap().to_owned();
    if output.outcome == ToolOutcome::Ok { Ok(text) } else { Err(text) }
}

async fn run(workspace: &Arc<Workspace>, work: Work, arguments: Value) -> Result<String, String> {
    call(&FileTool::new(Arc::clone(workspace), work), arguments, Scope::default()).await
}

#[tokio::test]
async fn files_are_written_read_edited_and_found() {
    let folder = Temporary::new();
    let workspace = shared(&folder);
    let write = json!({"file_path": "src/a.rs", "content": "one\ntwo\ntwo\n"});
    assert_eq!(run(&workspace, WRITE, write).await, Ok("src/a.rs has 12 bytes.".into()));
    let write = json!({"file_path": "/workspace/b.txt", "content": "Two é\0"});
    run(&workspace, WRITE, write).await.unwrap();
    let edit = |old: &str, new: &str| json!({"file_path": "src/a.rs", "old_string": old, "new_string": new});
    let all = json!({"file_path": "src/a.rs", "old_string": "two", "new_string": "2", "replace_all": true});
    let twice =
        "The text is in src/a.rs 2 times. Give more of the text around it, or set replace_all. Nothing was changed.";
    let one = json!({"pattern": "2", "path": "src/a.rs", "head_limit": 1, "output_mode": "content"});
    for (work, arguments, expected) in [
        (READ, json!({"file_path": "src/a.rs"}), Ok("     1\tone\n     2\ttwo\n     3\ttwo\n")),
        (
            READ,
            json!({"file_path": "src/a.rs", "offset": 2, "limit": 1}),
            Ok("     2\ttwo\n[Lines 2 to 2 of 3. Go on with offset 3.]"),
        ),
        (READ, json!({"file_path": "src/a.rs", "offset": 9}), Ok("[The file has 3 lines.]")),
        (READ, json!({"file_path": "b.txt"}), Err("b.txt is no text: it has 7 bytes.")),
        (READ, json!({"file_path": "none"}), Err("none is not there.")),
        (READ, json!({"file_path": "src"}), Err("src is a folder.")),
        (EDIT, edit("two", "2"), Err(twice)),
        (EDIT, edit("three", "2"), Err("The text is not in src/a.rs. Nothing was changed.")),
        (EDIT, edit("one", "1"), Ok("Replaced once in src/a.rs (1).")),
        (EDIT, all, Ok("Replaced everywhere in src/a.rs (2).")),
        (GLOB, json!({"pattern": "**/*.rs"}), Ok("src/a.rs\n")),
        (GLOB, json!({"pattern": "*.rs"}), Ok("No file has such a name.")),
        (GLOB, json!({"pattern": "*.rs", "path": "src"}), Ok("src/a.rs\n")),
        (GREP, json!({"pattern": "^2$", "output_mode": "content"}), Ok("src/a.rs:2:2\nsrc/a.rs:3:2\n")),
        (GREP, json!({"pattern": "^2$", "output_mode": "count"}), Ok("src/a.rs:2\n")),
        (GREP, json!({"pattern": "two", "-i": true}), Ok("No line fits.")),
        (GREP, json!({"pattern": "(a+)+$", "glob": "*.txt"}), Ok("No line fits.")),
        (GREP, one, Ok("src/a.rs:2:2\n[There may be more.]")),
    ] {
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(run(&workspace, work, arguments.clone()).await, expected, "{arguments}");
    }
    assert_eq!(fs::read_to_string(folder.path().join("in/src/a.rs")).unwrap(), "1\n2\n2\n");
    assert_eq!(fs::read_dir(folder.path().join("in/src")).unwrap().count(), 1, "what was written beside is left");
}

#[tokio::test]
async fn no_path_leads_out() {
    let folder = Temporary::new();
    let (workspace, inside) = (shared(&folder), folder.path().join("in"));
    fs::create_dir_all(inside.join("sub")).unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "CANARY").unwrap();
    symlink(&secret, inside.join("link")).unwrap();
    symlink("../secret", inside.join("relative")).unwrap();
    symlink(folder.path(), inside.join("up")).unwrap();
    symlink("/proc/self", inside.join("proc")).unwrap();
    symlink("loop", inside.join("loop")).unwrap();
    let _socket = UnixListener::bind(inside.join("socket")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(inside.join("pipe")).status().unwrap();
    assert!(made.success());
    let whole = secret.display().to_string();
    let paths = [
        "../secret",
        "sub/../../secret",
        "/etc/passwd",
        &whole,
        "link",
        "relative",
        "up/secret",
        "proc/environ",
        "loop",
        "/proc/self/environ",
        "/workspace/../secret",
        "/workspacesecret",
        "//etc/passwd",
        "/workspace//../../secret",
        "socket",
        "pipe",
        "",
        ".",
        "a\0b",
        "/dev/zero",
    ];
    for path in paths {
        let read = run(&workspace, READ, json!({"file_path": path})).await;
        assert!(read.is_err(), "{path}: {read:?}");
        let edit = json!({"file_path": path, "old_string": "CANARY", "new_string": "gone"});
        assert!(run(&workspace, EDIT, edit).await.is_err(), "{path}");
    }
    for path in ["../new", "sub/../../new", "/tmp/chatwire-new", "up/new", "/workspace/../new", "", "sub"] {
        let write = run(&workspace, WRITE, json!({"file_path": path, "content": "x"})).await;
        assert!(write.is_err(), "{path}: {write:?}");
    }
    // A link is replaced, not followed.
    run(&workspace, WRITE, json!({"file_path": "link", "content": "mine"})).await.unwrap();
    // A file with another name outside keeps what it holds there.
    fs::hard_link(&secret, inside.join("hard")).unwrap();
    run(&workspace, WRITE, json!({"file_path": "hard", "content": "mine"})).await.unwrap();
    assert_eq!(fs::metadata(&secret).unwrap().nlink(), 1);
    assert_eq!(fs::read_to_string(&secret).unwrap(), "CANARY");
    assert!(!folder.path().join("new").exists());
    let found = run(&workspace, GREP, json!({"pattern": "CANARY", "output_mode": "content"})).await.unwrap();
    assert_eq!(found, "No line fits.");
    assert_eq!(run(&workspace, GLOB, json!({"pattern": "**"})).await.unwrap(), "hard\nlink\n");
    for path in ["..", "up", "/etc", "proc"] {
        assert!(run(&workspace, GLOB, json!({"pattern": "*", "path": path})).await.is_err(), "{path}");
        assert!(run(&workspace, GREP, json!({"pattern": ".", "path": path})).await.is_err(), "{path}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_link_that_is_put_in_the_way_meanwhile_leads_nowhere() {
    let folder = Temporary::new();
    let (workspace, inside) = (shared(&folder), folder.path().join("in"));
    fs::create_dir_all(inside.join("real")).unwrap();
    fs::create_dir_all(folder.path().join("out")).unwrap();
    fs::write(inside.join("real/file"), "inside").unwrap();
    fs::write(folder.path().join("out/file"), "CANARY").unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let swapping = {
        let (stop, inside, out) = (Arc::clone(&stop), inside.clone(), folder.path().join("out"));
        std::thread::spawn(move || {
            symlink(out, inside.join("other")).unwrap();
            let (path, other) = (inside.join("real"), inside.join("other"));
            while !stop.load(Ordering::Relaxed) {
                renameat_with(CWD, &path, CWD, &other, RenameFlags::EXCHANGE).unwrap();
            }
        })
    };
    let mut leaks = Vec::new();
    for number in 0..300 {
        leaks.push(run(&workspace, READ, json!({"file_path": "real/file"})).await);
        leaks.push(run(&workspace, GREP, json!({"pattern": "CANARY", "output_mode": "content"})).await);
        let write = json!({"file_path": format!("real/new-{number}"), "content": "x"});
        leaks.push(run(&workspace, WRITE, write).await);
    }
    stop.store(true, Ordering::Relaxed);
    swapping.join().unwrap();
    let leaked = leaks.iter().flatten().filter(|text| text.contains("CANARY")).count();
    assert_eq!(leaked, 0);
    assert_eq!(fs::read_dir(folder.path().join("out")).unwrap().count(), 1, "something was written outside");
}

#[tokio::test]
async fn every_conversation_has_a_folder_of_its_own() {
    let folder = Temporary::new();
    let workspace = Arc::new(Workspace { root: folder.path().join("in"), per: Per::Thread });
    let write = FileTool::new(Arc::clone(&workspace), WRITE);
    let read = FileTool::new(workspace, READ);
    let scope = |owner: &str, thread: &str| Scope { owner: Owner::new(owner).ok(), thread: Some(thread.into()) };
    let file = json!({"file_path": "a"});
    call(&write, json!({"file_path": "a", "content": "x"}), scope("kaz", "../../t")).await.unwrap();
    assert!(call(&read, file.clone(), scope("kaz", "../../t")).await.is_ok());
    for other in [scope("kaz", "../t"), scope("eve", "../../t"), scope("", "../../t"), scope("kaz", "t")] {
        assert_eq!(call(&read, file.clone(), other.clone()).await, Err("a is not there.".into()), "{other:?}");
    }
    let nameless = Scope { owner: None, thread: None };
    let said = call(&read, file, nameless).await;
    assert_eq!(said, Err("This conversation has no id, so it has no folder.".into()));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

fn bash(folder: &Temporary) -> Bash {
    Bash {
        workspace: shared(folder),
        program: PathBuf::from(env!("CARGO_BIN_EXE_chatwire")),
        network: false,
        limits: Limits::default(),
        readable: Vec::new(),
        environment: vec![("GREETING".into(), "hello".into())],
        timeout: std::time::Duration::from_secs(30),
        shown: 1000,
        most: 100_000,
        unsandboxed: false,
    }
}

#[tokio::test]
async fn without_walls_no_command_runs_unless_the_operator_says_so() {
    let folder = Temporary::new();
    let command = json!({"command": "echo $GREETING; pwd; echo x > made; exit 3"});
    // A program that puts up no walls.
    let refused = Bash { program: PathBuf::from("/bin/true"), ..bash(&folder) };
    let said = call(&refused, command.clone(), Scope::default()).await.unwrap_err();
    assert!(said.contains("does not allow to wall them off"), "{said}");
    assert!(!folder.path().join("in/made").exists());
    let bare = Bash { program: PathBuf::from("/bin/true"), unsandboxed: true, ..bash(&folder) };
    let said = call(&bare, command, Scope::default()).await.unwrap();
    let place = fs::canonicalize(folder.path().join("in")).unwrap();
    assert_eq!(said, format!("hello\n{}\n\n[Exit status 3.]", place.display()));
}

#[tokio::test]
async fn a_command_that_prints_or_waits_for_ever_is_ended() {
    let folder = Temporary::new();
    let bare = Bash { unsandboxed: true, ..bash(&folder) };
    let said = call(&bare, json!({"command": "yes"}), Scope::default()).await.unwrap_err();
    assert!(said.contains("more than 100000 bytes of output") && said.len() < 1200, "{said}");
    let said = call(&bare, json!({"command": "sleep 1000", "timeout": 300}), Scope::default()).await;
    assert_eq!(said, Err("\n[Stopped after 300ms.]".into()));
}
