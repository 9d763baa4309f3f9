//! Files that users upload: announced or sent at once, whole or not at all, and nobody else's business.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chatwire::config::plan::Attachments;
use chatwire::store::{Attachment, Owner, Sqlite, Store as _, Thread, ThreadStatus, Write};
use chatwire::uploads::media::Types;
use chatwire::uploads::{Announced, Folder, Purpose, Signer, UploadError, Uploads};
use chatwire_protocols::event::FileSource;
use serde_json::{Value, json};

use crate::support::page::{Answer, Page};
use crate::support::{Gateway, Setup, origins};

const PNG: &str = "\u{89}PNG\r\n\u{1a}\n and what a picture is made of";
const KAZ: &str = "x-user: kaz\r\n";
const MIA: &str = "x-user: mia\r\n";

/// A gateway with a folder that goes when the test does.
struct Files {
    path: PathBuf,
    gateway: Gateway,
    uploads: Arc<Uploads>,
    store: Arc<Sqlite>,
    signer: Signer,
}

impl Files {
    async fn start(change: impl FnOnce(&mut Setup, &mut Attachments)) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("chatwire-files-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        let mut setup = Setup::new(&[]);
        let mut settings = Attachments::new("/files");
        settings.max_size = 1000;
        setup.owner = Some("x-user".to_owned());
        setup.store = Some(path.join("test.db"));
        change(&mut setup, &mut settings);
        setup.attachments = Some(settings.clone());
        let file = setup.store.clone();
        let gateway = setup.start().await;
        // What the engine of kept conversations has in its hands.
        let store = Arc::new(Sqlite::open(file.as_ref().unwrap()).unwrap());
        let uploads = Uploads::open(settings, file.as_ref(), Arc::<Sqlite>::clone(&store)).unwrap();
        let signer = Signer::new(&Folder::open(&path.join("test.db.files")).unwrap().secret().unwrap());
        Self { path, gateway, uploads, store, signer }
    }

    async fn usual() -> Self {
        Self::start(|_, _| {}).await
    }

    /// Announces a file as this user and gives its id and the path where its bytes are to go.
    async fn announce(&self, user: &str, name: &str, size: u64, media_type: &str) -> (String, String) {
        let announced = Announced { name: name.to_owned(), size, media_type: media_type.to_owned() };
        let head = http::Request::post("/").header("host", "chat.example").body(()).unwrap().into_parts().0;
        let created = self.uploads.create(&owner(user), announced, &self.uploads.base(&head)).await;
        let (attachment, upload) = created.unwrap();
        assert_eq!(upload.method, "POST");
        let path = upload.url.strip_prefix("http://chat.example").unwrap().to_owned();
        (attachment.id.to_string(), path)
    }

    async fn send(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        send(&self.gateway, method, path, &format!("{headers}content-length: {}\r\n", body.len()), body).await
    }

    async fn get(&self, user: &str, path: &str) -> Answer {
        self.send("GET", path, user, b"").await
    }

    /// Makes a file as old as the first of January 1970.
    async fn age(&self, id: &str) {
        let me = self.store.attachment_owner(id).await.unwrap().unwrap();
        let attachment = self.store.attachment(&me, id).await.unwrap().unwrap();
        self.store.put_attachment(&me, Attachment { created: 0, ..attachment }).await.unwrap();
    }

    /// The names in the folder, without the secret's.
    fn kept(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path.join("test.db.files")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != "secret").collect()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

fn owner(name: &str) -> Owner {
    Owner::new(name).unwrap()
}

async fn send(gateway: &Gateway, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
    let head = format!("{method} {path} HTTP/1.1\r\nhost: chat.example\r\nconnection: close\r\n{headers}\r\n");
    let mut page = Page::raw(gateway.addr, &head).await;
    page.try_write(body).await;
    page.answer().await
}

const FORM: &str = "content-type: multipart/form-data; boundary=XX\r\n";

fn part(head: &str, bytes: &[u8]) -> Vec<u8> {
    let mut part = format!("--XX\r\n{head}\r\n\r\n").into_bytes();
    part.extend_from_slice(bytes);
    part.extend_from_slice(b"\r\n");
    part
}

fn form(name: &str, media_type: &str, bytes: &[u8]) -> Vec<u8> {
    let head =
        format!("Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: {media_type}");
    [part(&head, bytes), b"--XX--\r\n".to_vec()].concat()
}

const TEXT: &str = "Content-Disposition: form-data; name=\"file\"\r\nContent-Type: text/plain";

fn png() -> Vec<u8> {
    [&b"\x89PNG\r\n\x1a\n"[..], &PNG.as_bytes()[2..]].concat()
}

fn code(answer: &Answer) -> (u16, String) {
    let error = &answer.json()["error"];
    assert!(error["message"].is_string(), "{}", answer.body);
    (answer.status, error["code"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn an_announced_file_is_sent_as_a_form_or_as_it_is_and_read_again() {
    let files = Files::usual().await;
    let bytes = png();
    for (method, headers, body) in [
        ("POST", FORM, form("whatever.png", "text/plain", &bytes)),
        ("PUT", FORM, form("x", "image/png", &bytes)),
        ("POST", "content-type: image/png\r\n", bytes.clone()),
        ("PUT", "", bytes.clone()),
    ] {
        let (id, path) = files.announce("kaz", "a tea.png", bytes.len() as u64, "image/png").await;
        assert_eq!(files.get(KAZ, &format!("/files/{id}")).await.status, 404, "nothing is there yet");
        let answer = files.send(method, &path, headers, &body).await;
        let sent = answer.json();
        let preview = sent["preview_url"].as_str().unwrap().to_owned();
        assert_eq!(
            (answer.status, sent),
            (
                200,
                json!({"id": id, "name": "a tea.png", "mime_type": "image/png", "type": "image", "preview_url": preview})
            )
        );
        // The picture is loaded without the page's headers.
        let preview = preview.strip_prefix("http://chat.example").unwrap();
        for (user, path) in [("", preview), (KAZ, &*format!("/files/{id}"))] {
            let answer = files.get(user, path).await;
            assert_eq!((answer.status, answer.body.len()), (200, String::from_utf8_lossy(&bytes).len()), "{path}");
            for (name, value) in [
                ("content-type", "image/png"),
                ("content-disposition", "inline; filename*=UTF-8''a%20tea.png"),
                ("x-content-type-options", "nosniff"),
                ("content-security-policy", "default-src 'none'; sandbox"),
                ("content-length", &bytes.len().to_string()),
            ] {
                assert_eq!(answer.header(name), Some(value));
            }
            let head = files.send("HEAD", path, user, b"").await;
            assert_eq!((head.status, head.body.as_str()), (200, ""));
            assert_eq!(head.header("content-length"), answer.header("content-length"));
        }
        assert_eq!(files.get(MIA, &format!("/files/{id}")).await.status, 404, "another user's");
        assert_eq!(code(&files.send(method, &path, headers, &body).await), (409, "already_uploaded".to_owned()));
    }
    assert_eq!(files.kept().len(), 4, "{:?}", files.kept());
}

#[tokio::test]
async fn a_file_may_be_sent_at_once() {
    let files = Files::usual().await;
    let extra = part("Content-Disposition: form-data; name=\"note\"", b"x");
    let body = [extra.clone(), form("../../etc/pässwd.txt", "text/plain; charset=utf-8", "tea".as_bytes())].concat();
    let answer = files.send("POST", "/files", &format!("{KAZ}{FORM}"), &body).await;
    let sent = answer.json();
    let id = sent["id"].as_str().unwrap();
    assert_eq!(
        (answer.status, &sent),
        (200, &json!({"id": id, "name": "pässwd.txt", "mime_type": "text/plain", "type": "file"}))
    );
    let read = files.get(KAZ, &format!("/files/{id}")).await;
    assert_eq!((read.status, read.body.as_str()), (200, "tea"));
    let disposition = read.header("content-disposition");
    assert_eq!(disposition, Some("attachment; filename*=UTF-8''p%C3%A4sswd.txt"));
    assert_eq!(files.get(MIA, &format!("/files/{id}")).await.status, 404);
    assert_eq!(files.get("", &format!("/files/{id}")).await.status, 401);
}

/// Each is refused, and nothing of it is kept.
#[tokio::test]
async fn bad_input_is_refused_and_leaves_nothing() {
    let files = Files::start(|setup, _| setup.server.body_timeout = Duration::from_secs(20)).await;
    let large = vec![b'x'; 30_000];
    let two = [part(TEXT, b"a"), form("b.txt", "text/plain", b"b")].concat();
    let field = [part("Content-Disposition: form-data; name=\"files\"", b"x"), b"--XX--\r\n".to_vec()].concat();
    let direct: Vec<(&str, String, Vec<u8>, u16, &str)> = vec![
        ("by its length", FORM.to_owned(), form("a.txt", "text/plain", &vec![b'x'; 100_000]), 413, "body_too_large"),
        ("a little too large", FORM.to_owned(), form("a.txt", "text/plain", &large[..1001]), 413, "body_too_large"),
        ("wrong type", FORM.to_owned(), form("a.html", "text/html", b"<p>"), 415, "unsupported_media_type"),
        ("no type", FORM.to_owned(), form("a", "", b"<p>"), 415, "unsupported_media_type"),
        (
            "a page that says it is a picture",
            FORM.to_owned(),
            form("a.png", "image/png", b"<html><script>"),
            415,
            "wrong_content",
        ),
        ("an empty picture", FORM.to_owned(), form("a.png", "image/png", b""), 415, "wrong_content"),
        ("no file field", FORM.to_owned(), field, 400, "no_file"),
        ("an empty form", FORM.to_owned(), b"--XX--\r\n".to_vec(), 400, "no_file"),
        ("two files", FORM.to_owned(), two, 400, "two_files"),
        ("no form", "content-type: text/plain\r\n".to_owned(), b"tea".to_vec(), 400, "bad_form"),
        ("no boundary", "content-type: multipart/form-data\r\n".to_owned(), b"tea".to_vec(), 400, "bad_form"),
        ("another boundary", FORM.replace("XX", "YY"), form("a.txt", "text/plain", b"a"), 400, "body_cut"),
        ("no end", FORM.to_owned(), part(TEXT, b"a"), 400, "body_cut"),
        ("an endless header", FORM.to_owned(), [b"--XX\r\nx: ".to_vec(), large.clone()].concat(), 400, "body_cut"),
        (
            "compressed",
            format!("{FORM}content-encoding: gzip\r\n"),
            form("a.txt", "text/plain", b"a"),
            415,
            "unsupported_encoding",
        ),
    ];
    for (what, headers, body, status, expected) in direct {
        let answer = files.send("POST", "/files", &format!("{KAZ}{headers}"), &body).await;
        assert_eq!(code(&answer), (status, expected.to_owned()), "{what}");
        assert_eq!(files.kept(), Vec::<String>::new(), "{what}");
    }
    let answer = files.send("POST", "/files", FORM, &form("a.txt", "text/plain", b"a")).await;
    assert_eq!(code(&answer), (401, "unknown_owner".to_owned()));
    for (method, path, status) in [
        ("GET", "/files", 405),
        ("PUT", "/files", 405),
        ("POST", "/files/", 404),
        ("GET", "/files/../secret", 400),
        ("GET", "/files/secret", 404),
        ("GET", "/files/atc_0123", 404),
        ("GET", "/files/atc_00000000000000000000000000000000", 404),
        ("DELETE", "/files/atc_00000000000000000000000000000000", 405),
    ] {
        assert_eq!(files.send(method, path, KAZ, b"").await.status, status, "{method} {path}");
    }
}

#[tokio::test]
async fn what_is_sent_may_not_be_larger_than_announced_however_it_comes() {
    let files = Files::usual().await;
    let chunk = format!("3e8\r\n{}\r\n", "x".repeat(1000));
    let chunked = "transfer-encoding: chunked\r\n";
    let (id, path) = files.announce("kaz", "a.txt", 10, "text/plain").await;
    let cases: [(&str, String, Vec<u8>); 4] = [
        ("length", "content-length: 11\r\n".to_owned(), vec![b'x'; 11]),
        ("30 times the most", "content-length: 30000\r\n".to_owned(), vec![b'x'; 30_000]),
        ("chunked", chunked.to_owned(), chunk.repeat(30).into_bytes()),
        ("a chunked form", format!("{FORM}{chunked}"), {
            let form = form("a.txt", "text/plain", &vec![b'x'; 30_000]);
            [format!("{:x}\r\n", form.len()).into_bytes(), form, b"\r\n0\r\n\r\n".to_vec()].concat()
        }),
    ];
    for (what, headers, body) in cases {
        let answer = send(&files.gateway, "POST", &path, &headers, &body).await;
        assert_eq!(code(&answer), (413, "body_too_large".to_owned()), "{what}");
        assert_eq!(files.kept(), Vec::<String>::new(), "{what}");
    }
    assert_eq!(files.send("POST", &path, "", b"smaller").await.status, 200, "it may be tried again, and be smaller");
    assert_eq!(files.get(KAZ, &format!("/files/{id}")).await.body, "smaller");
}

#[tokio::test]
async fn a_body_that_is_cut_or_slow_leaves_nothing_and_may_be_sent_again() {
    let files = Files::start(|_, settings| settings.timeout = Duration::from_millis(300)).await;
    let (_, path) = files.announce("kaz", "a.txt", 10, "text/plain").await;
    let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf");
    let slow = Page::raw(files.gateway.addr, &head).await.answer().await;
    assert_eq!(code(&slow), (408, "body_timeout".to_owned()));
    drop(Page::raw(files.gateway.addr, &head).await);
    // The page may have gone before the gateway has seen so.
    let sent = async {
        loop {
            let answer = files.send("POST", &path, "", b"0123456789").await;
            if answer.status != 409 {
                return answer.status;
            }
        }
    };
    assert_eq!(tokio::time::timeout(crate::support::LONG, sent).await, Ok(200));
    assert_eq!(files.kept().len(), 1);
}

#[tokio::test]
async fn signatures_are_for_one_file_one_purpose_and_a_time() {
    let files = Files::usual().await;
    let (id, path) = files.announce("kaz", "a.txt", 3, "text/plain").await;
    let (other, _) = files.announce("mia", "b.txt", 3, "text/plain").await;
    let query = path.split_once('?').unwrap().1.to_owned();
    let reading = files.signer.query(Purpose::Read, &id, u64::MAX >> 1);
    let expired = files.signer.query(Purpose::Upload, &id, 1_000_000);
    for (what, path) in [
        ("none", format!("/files/{id}")),
        ("another file's", format!("/files/{other}?{query}")),
        ("for reading", format!("/files/{id}?{reading}")),
        ("expired", format!("/files/{id}?{expired}")),
        ("of no file there is", format!("/files/atc_00000000000000000000000000000000?{query}")),
    ] {
        let answer = files.send("POST", &path, KAZ, b"tea").await;
        assert_eq!(code(&answer), (403, "bad_signature".to_owned()), "{what}");
    }
    assert_eq!(files.send("POST", &path, MIA, b"tea").await.status, 200, "the address is enough");
    let expired = files.signer.query(Purpose::Read, &id, 1_000_000);
    for query in [query.as_str(), &expired, "expires=9", "x"] {
        let answer = files.get(KAZ, &format!("/files/{id}?{query}")).await;
        assert_eq!(code(&answer), (403, "bad_signature".to_owned()), "{query}");
    }
    assert_eq!(files.get("", &format!("/files/{id}?{reading}")).await.body, "tea");
    assert_eq!(files.get(KAZ, &format!("/files/{id}")).await.body, "tea", "it is its first owner's");
}

#[tokio::test]
async fn pages_of_other_origins_need_permission_to_send() {
    let files = Files::start(|_, settings| settings.cors.origins = origins(&["https://page.example"])).await;
    let body = form("a.txt", "text/plain", b"a");
    for (origin, status) in [
        ("", 200),
        ("origin: http://chat.example\r\n", 200),
        ("origin: https://page.example\r\n", 200),
        ("origin: https://evil.example\r\n", 403),
        ("origin: null\r\n", 403),
    ] {
        let answer = files.send("POST", "/files", &format!("{KAZ}{FORM}{origin}"), &body).await;
        assert_eq!(answer.status, status, "{origin}: {}", answer.body);
    }
    let asking = "origin: https://page.example\r\naccess-control-request-method: PUT\r\n";
    let answer = files.send("OPTIONS", "/files/atc_00000000000000000000000000000000", asking, b"").await;
    let methods = answer.header("access-control-allow-methods");
    assert_eq!((answer.status, methods), (204, Some("GET, HEAD, POST, PUT, OPTIONS")));
}

#[tokio::test]
async fn files_have_bounds_together_and_make_room_when_they_go() {
    let files = Files::start(|_, settings| {
        settings.max_per_user = 2 * 1100;
        settings.max_total = 3 * 1100;
    })
    .await;
    let announce = async |user: &str| {
        let announced = Announced { name: "a".to_owned(), size: 10, media_type: "text/plain".to_owned() };
        let head = http::Request::post("/").body(()).unwrap().into_parts().0;
        files.uploads.create(&owner(user), announced, &files.uploads.base(&head)).await.map(|(file, _)| file.id)
    };
    let first = announce("kaz").await.unwrap();
    announce("kaz").await.unwrap();
    assert!(matches!(announce("kaz").await, Err(UploadError::Quota)));
    announce("mia").await.unwrap();
    let full = announce("mia").await.unwrap_err();
    assert!(full.is_full(), "{full}");
    let answer = files.send("POST", "/files", &format!("{MIA}{FORM}"), &form("a.txt", "text/plain", b"a")).await;
    assert_eq!(code(&answer), (507, "no_room".to_owned()));
    assert!(!files.uploads.delete(&owner("mia"), &first).await.unwrap(), "not hers");
    assert!(files.uploads.delete(&owner("kaz"), &first).await.unwrap());
    assert!(!files.uploads.delete(&owner("kaz"), &first).await.unwrap());
    announce("kaz").await.unwrap();
}

#[tokio::test]
async fn the_model_reads_a_file_that_its_owner_has_sent() {
    let files = Files::usual().await;
    let (id, path) = files.announce("kaz", "a.png", 100, "image/png").await;
    let me = owner("kaz");
    let attachment = files.store.attachment(&me, &id).await.unwrap().unwrap();
    assert_eq!(files.uploads.bytes(&me, &attachment).await.unwrap(), None, "its bytes have not come");
    assert_eq!(files.send("PUT", &path, "", &png()).await.status, 200);
    assert_eq!(files.uploads.bytes(&owner("mia"), &attachment).await.unwrap(), None, "not hers");
    let file = files.uploads.bytes(&me, &attachment).await.unwrap().unwrap();
    let FileSource::Base64(text) = &file.source else { panic!("{file:?}") };
    assert_eq!(chatwire_protocols::wire::base64::decode(text), Some(png()));
    assert_eq!((file.media_type.as_str(), file.name.as_deref()), ("image/png", Some("a.png")));
    files.uploads.delete(&me, &id).await.unwrap();
    assert_eq!(files.uploads.bytes(&me, &attachment).await.unwrap(), None, "it is gone");
    assert_eq!(files.get(KAZ, &format!("/files/{id}")).await.status, 404);
    assert_eq!(files.kept(), Vec::<String>::new());
}

#[tokio::test]
async fn what_nobody_needs_is_deleted() {
    let files = Files::usual().await;
    let folder = files.path.join("test.db.files");
    let (id, path) = files.announce("kaz", "a.txt", 3, "text/plain").await;
    let (young, _) = files.announce("kaz", "b.txt", 3, "text/plain").await;
    assert_eq!(files.send("POST", &path, "", b"tea").await.status, 200);
    files.age(&id).await;
    for name in ["draft-0", "atc_00000000000000000000000000000000", "notes.txt"] {
        std::fs::write(folder.join(name), "x").unwrap();
        let long_ago = std::time::SystemTime::now() - Duration::from_secs(48 * 3600);
        std::fs::File::options().write(true).open(folder.join(name)).unwrap().set_modified(long_ago).unwrap();
    }
    std::fs::write(folder.join("draft-new"), "x").unwrap();
    files.uploads.sweep().await.unwrap();
    let mut kept = files.kept();
    kept.sort();
    assert_eq!(kept, ["draft-new", "notes.txt"], "what is being written, and what is not ours, stays");
    assert_eq!(files.store.attachment(&owner("kaz"), &id).await.unwrap(), None);
    assert!(files.store.attachment(&owner("kaz"), &young).await.unwrap().is_some());
}

#[tokio::test]
async fn the_address_is_that_of_the_configuration_or_what_the_page_called() {
    let base = async |url: Option<&str>, headers: &[(&str, &str)]| -> Value {
        let files = Files::start(|_, settings| {
            settings.url = url.map(str::to_owned);
            settings.types = Types::new(&["*/*".to_owned()]).unwrap();
        })
        .await;
        let mut request = http::Request::post("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let head = request.body(()).unwrap().into_parts().0;
        let announced = Announced { name: "a".to_owned(), size: 1, media_type: "a/b".to_owned() };
        let (_, upload) = files.uploads.create(&owner("kaz"), announced, &files.uploads.base(&head)).await.unwrap();
        upload.url.split_once("/files/").unwrap().0.into()
    };
    assert_eq!(base(Some("https://a.example/x"), &[("host", "b")]).await, "https://a.example/x");
    assert_eq!(base(None, &[("host", "b:8000")]).await, "http://b:8000");
    // Only a trusted proxy is believed, and none is here.
    assert_eq!(base(None, &[("host", "b"), ("x-forwarded-proto", "https")]).await, "http://b");
    assert_eq!(base(None, &[("host", "[::1]:8000")]).await, "http://[::1]:8000");
    for host in ["b/../c?d", "[0.0.0.0]", "[::1", "user@b", "b:", "b:0", "b:99999", "a,b", "a%62", ":80"] {
        assert_eq!(base(None, &[("host", host)]).await, "http://localhost", "{host}");
    }
}

#[tokio::test]
async fn a_trusted_proxy_says_whether_the_page_is_encrypted() {
    for (trusted, scheme) in [("127.0.0.1/32", "https"), ("10.0.0.0/8", "http")] {
        let files = Files::start(|setup, _| setup.server.trusted_proxies = vec![trusted.parse().unwrap()]).await;
        let headers = format!("{KAZ}{FORM}x-forwarded-proto: https\r\n");
        let sent = files.send("POST", "/files", &headers, &form("a.png", "image/png", &png())).await.json();
        let preview = sent["preview_url"].as_str().unwrap();
        assert!(preview.starts_with(&format!("{scheme}://chat.example/")), "{preview}");
    }
}

#[tokio::test]
async fn a_folder_that_is_gone_is_an_error_and_no_crash() {
    let files = Files::usual().await;
    let (_, path) = files.announce("kaz", "a.txt", 3, "text/plain").await;
    std::fs::remove_dir_all(files.path.join("test.db.files")).unwrap();
    let answer = files.send("POST", &path, "", b"tea").await;
    assert_eq!(code(&answer), (500, "internal".to_owned()));
    assert!(!answer.body.contains("test.db"), "{}", answer.body);
    assert_eq!(send(&files.gateway, "GET", "/health", "", b"").await.status, 200);
}

#[tokio::test]
async fn a_file_of_a_thread_stays_until_the_thread_goes() {
    let files = Files::usual().await;
    let (id, path) = files.announce("kaz", "a.txt", 3, "text/plain").await;
    let thread = Thread {
        id: "t".to_owned(),
        title: None,
        status: ThreadStatus::Active,
        metadata: serde_json::Map::new(),
        created: 1,
        updated: 1,
    };
    files.age(&id).await;
    let writes = vec![Write::Thread(thread), Write::Attach(id.as_str().into())];
    files.store.apply(&owner("kaz"), "t", writes).await.unwrap();
    assert_eq!(files.send("POST", &path, "", b"tea").await.status, 200);
    files.uploads.sweep().await.unwrap();
    assert_eq!(files.get(KAZ, &format!("/files/{id}")).await.body, "tea");
    files.store.delete_thread(&owner("kaz"), "t").await.unwrap();
    files.uploads.sweep().await.unwrap();
    assert_eq!(files.get(KAZ, &format!("/files/{id}")).await.status, 404);
    assert_eq!(files.kept(), Vec::<String>::new());
}

#[tokio::test]
async fn without_a_store_files_are_gone_with_the_process() {
    let store = Arc::new(Sqlite::in_memory().unwrap());
    let uploads = Uploads::open(Attachments::new("/files"), None, store).unwrap();
    let text = format!("{uploads:?}");
    let path = text.split('"').find(|piece| piece.contains("chatwire-atc_")).unwrap().to_owned();
    assert!(std::path::Path::new(&path).is_dir(), "{path}");
    drop(uploads);
    assert!(!std::path::Path::new(&path).exists());
}
