//! TLS on the server's own addresses: its certificate, and the one that a proxy must show.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::{Fault, Server};

/// How connections become TLS.
pub(super) struct Tls(TlsAcceptor);

/// The certificate that a peer has shown, and proven to be its own.
pub(super) type Shown = Option<Arc<CertificateDer<'static>>>;

impl Tls {
    /// What the settings ask for; none where TLS is off.
    pub(super) fn new(server: &Server) -> Result<Option<Self>, Fault> {
        if server.tls_certificate.as_os_str().is_empty() {
            return Ok(None);
        }
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Fault::new("server.tls_certificate", format!("cannot be used: {error}")))?;
        let asks = !server.tls_client_ca.as_os_str().is_empty();
        let builder = if asks {
            let fault = |error| Fault::new("server.tls_client_ca", error);
            let roots = Arc::new(authorities(&server.tls_client_ca).map_err(fault)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| fault(error.to_string()))?)
        } else {
            builder.with_no_client_auth()
        };
        let chain = certificates(&server.tls_certificate)
            .map_err(|error| Fault::new("server.tls_certificate", error))?;
        let key = PrivateKeyDer::from_pem_file(&server.tls_key).map_err(|error| {
            Fault::new("server.tls_key", format!("names {}, but: {error}", server.tls_key.display()))
        })?;
        let mut config = builder.with_single_cert(chain, key).map_err(|error| {
            Fault::new("server.tls_key", format!("does not go with server.tls_certificate: {error}"))
        })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        if asks {
            // A proxy may share its sessions among places with and without a certificate: each connection shows its own.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Some(Self(TlsAcceptor::from(Arc::new(config)))))
    }

    /// The handshake. The error is for the log.
    pub(super) async fn accept(&self, stream: TcpStream) -> Result<(TlsStream<TcpStream>, Shown), String> {
        let stream = self.0.accept(stream).await.map_err(|error| error.to_string())?;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let shown = shown.map(|certificate| Arc::new(certificate.clone().into_owned()));
        Ok((stream, shown))
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

/// The authorities in a file of PEM; the error is a sentence without its subject.
pub(super) fn authorities(file: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        let added = roots.add(certificate);
        added.map_err(|error| format!("names {}, which holds no authority: {error}", file.display()))?;
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    match read {
        Ok(chain) if chain.is_empty() => Err(format!(
            "names {}, which holds no certificate in PEM (-----BEGIN CERTIFICATE-----)",
            file.display()
        )),
        Ok(chain) => Ok(chain),
        Err(error) => Err(format!("names {}, but: {error}", file.display())),
    }
}
