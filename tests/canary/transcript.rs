//! All that was looked through, as files to search by hand: `CHATWIRE_TEST_TRANSCRIPT=FOLDER cargo test …`.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::OnceLock;

use super::Place;

/// The files of this process.
struct Files {
    answers: File,
    log: File,
    output: File,
}

/// Writes it down if the environment wants so.
pub fn add(place: Place, bytes: &[u8]) {
    static FILES: OnceLock<Option<Files>> = OnceLock::new();
    let files = FILES.get_or_init(|| {
        let folder = std::env::var_os("CHATWIRE_TEST_TRANSCRIPT")?;
        let program = std::env::current_exe().unwrap();
        let program = program.file_stem().unwrap().to_string_lossy().into_owned();
        let open = |name: &str| {
            let path = Path::new(&folder).join(format!("{program}-{}.{name}", std::process::id()));
            OpenOptions::new().create(true).append(true).open(path).unwrap()
        };
        Some(Files { answers: open("answers"), log: open("log"), output: open("output") })
    });
    let Some(files) = files else { return };
    let mut file = match place {
        Place::Answer => &files.answers,
        Place::Log => &files.log,
        Place::Output => &files.output,
    };
    file.write_all(bytes).unwrap();
}
