//! TLS: one certificate for all connections, read again when its files change.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::plan::Tls;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(10);

/// Encrypts connections.
pub struct Encryption {
    files: Tls,
    acceptor: TlsAcceptor,
    shown: Arc<Shown>,
    first: Print,
}

/// The certificate that clients are shown now.
#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

/// What stood in the files, by which a change is seen; nothing if they could not be read. The key itself is not kept.
type Print = Option<[u8; 32]>;

/// What stands in the files.
struct Pair {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Encryption {
    /// Reads the files.
    ///
    /// # Errors
    /// They cannot be read, or do not belong together.
    pub async fn new(files: &Tls) -> io::Result<Self> {
        let pair = Pair::read(files).await?;
        let shown = Arc::new(Shown(RwLock::new(Arc::new(pair.certificate()?))));
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&shown) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { files: files.clone(), acceptor, shown, first: Some(pair.print()) })
    }

    /// Greets a client.
    ///
    /// # Errors
    /// It does not speak TLS, or not ours, or does not trust us.
    pub async fn greet(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.acceptor.accept(stream).await
    }

    /// Looks at the files time and again. A pair that is no good changes nothing.
    pub async fn keep(&self) -> Infallible {
        let mut seen = self.first;
        loop {
            tokio::time::sleep(LOOK).await;
            self.look(&mut seen).await;
        }
    }

    async fn look(&self, seen: &mut Print) {
        let pair = Pair::read(&self.files).await;
        let print = pair.as_ref().ok().map(Pair::print);
        if std::mem::replace(seen, print) == print {
            return;
        }
        match pair.and_then(|pair| pair.certificate()) {
            Ok(certificate) => {
                *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certificate);
                tracing::info!("a new certificate is shown");
            }
            Err(error) => tracing::error!(%error, "the new certificate is no good: the old one is shown on"),
        }
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Pair {
    async fn read(files: &Tls) -> io::Result<Self> {
        let at = |path: &std::path::Path, error: io::Error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        };
        let cert = tokio::fs::read(&files.cert).await.map_err(|error| at(&files.cert, error))?;
        let key = tokio::fs::read(&files.key).await.map_err(|error| at(&files.key, error))?;
        Ok(Self { cert, key })
    }

    fn print(&self) -> [u8; 32] {
        let length = (self.cert.len() as u64).to_be_bytes();
        Sha256::new().chain_update(length).chain_update(&self.cert).chain_update(&self.key).finalize().into()
    }

    fn certificate(&self) -> io::Result<CertifiedKey> {
        let wrong = |what: &str, why: &dyn std::fmt::Display| io::Error::other(format!("{what}: {why}"));
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.cert).collect();
        let chain = chain.map_err(|error| wrong("the certificate cannot be read", &error))?;
        if chain.is_empty() {
            return Err(io::Error::other("there is no certificate in the file"));
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| wrong("the key cannot be read", &error))?;
        CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
            .map_err(|error| wrong("certificate and key do not fit", &error))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rcgen::{CertifiedKey as Made, generate_simple_self_signed};

    use super::*;

    fn made() -> Made<rcgen::KeyPair> {
        generate_simple_self_signed(["localhost".to_owned()]).unwrap()
    }

    fn files(folder: &Path) -> Tls {
        Tls { cert: folder.join("cert.pem"), key: folder.join("key.pem") }
    }

    fn write(files: &Tls, made: &Made<rcgen::KeyPair>) {
        std::fs::write(&files.cert, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    }

    fn shown(encryption: &Encryption) -> Vec<u8> {
        encryption.shown.0.read().unwrap().cert[0].to_vec()
    }

    #[tokio::test]
    async fn a_new_pair_is_shown_and_a_bad_one_is_not() {
        let folder = std::env::temp_dir().join(format!("chatwire-tls-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir(&folder).unwrap();
        let files = files(&folder);
        let (first, second, third) = (made(), made(), made());
        assert!(Encryption::new(&files).await.is_err(), "there are no files");
        write(&files, &first);
        let encryption = Encryption::new(&files).await.unwrap();
        let mut seen = encryption.first;
        // Half of a change, nothing, and no certificate at all.
        std::fs::write(&files.cert, second.cert.pem()).unwrap();
        for _ in 0..2 {
            encryption.look(&mut seen).await;
            assert_eq!(shown(&encryption), first.cert.der().to_vec());
        }
        std::fs::remove_file(&files.key).unwrap();
        encryption.look(&mut seen).await;
        std::fs::write(&files.key, "").unwrap();
        encryption.look(&mut seen).await;
        assert_eq!(shown(&encryption), first.cert.der().to_vec());
        // The other half.
        write(&files, &second);
        encryption.look(&mut seen).await;
        assert_eq!(shown(&encryption), second.cert.der().to_vec());
        write(&files, &third);
        encryption.look(&mut seen).await;
        assert_eq!(shown(&encryption), third.cert.der().to_vec());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
