//! One document fetched over TLS: the server's certificate is checked, and size and time are bounded.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HOST};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::config::{Fault, Page};
use crate::front::tls;

/// Time for the whole of it.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of the document.
const MOST: usize = 1 << 20;

/// Where a document is, and how its server is known.
pub(super) struct Remote {
    uri: Uri,
    host: String,
    port: u16,
    name: ServerName<'static>,
    connector: TlsConnector,
}

impl Remote {
    /// The document at `page`; its server's certificate comes from the authorities in `ca_file`, or the system's when
    /// that is empty.
    pub(super) fn new(page: &Page, ca_file: &Path) -> Result<Self, Fault> {
        let fault =
            |why: &dyn std::fmt::Display| Fault::new("token.keys_url", format!("is no address: {why}"));
        let uri: Uri = page.as_str().parse().map_err(|error| fault(&error))?;
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host.clone()).map_err(|error| fault(&error))?;
        let port = uri.port_u16().unwrap_or(443);
        Ok(Self { host, port, name, connector: connector(ca_file)?, uri })
    }

    /// Fetches it; the error is for the log.
    pub(super) async fn get(&self) -> Result<Bytes, String> {
        let fetched = tokio::time::timeout(PATIENCE, self.exchange()).await;
        fetched.map_err(|_| format!("no answer within {} s", PATIENCE.as_secs()))?
    }

    async fn exchange(&self) -> Result<Bytes, String> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(|e| e.to_string())?;
        let tls = self.connector.connect(self.name.clone(), tcp).await.map_err(|e| e.to_string())?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(tls)).await.map_err(|error| error.to_string())?;
        // Ends with the sender.
        tokio::spawn(connection);
        let target = self.uri.path_and_query().map_or("/", |target| target.as_str());
        let authority = self.uri.authority().map_or(self.host.as_str(), |authority| authority.as_str());
        let request = Request::get(target)
            .header(HOST, authority)
            .header(ACCEPT, "application/json")
            .body(Empty::<Bytes>::new())
            .map_err(|error| error.to_string())?;
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        if answer.status() != StatusCode::OK {
            return Err(format!("the answer is {}", answer.status()));
        }
        let body = Limited::new(answer.into_body(), MOST).collect().await;
        Ok(body.map_err(|error| error.to_string())?.to_bytes())
    }
}

fn connector(ca_file: &Path) -> Result<TlsConnector, Fault> {
    let fault = |text: String| Fault::new("token.ca_file", text);
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| fault(error.to_string()))?;
    let builder = if ca_file.as_os_str().is_empty() {
        builder.with_platform_verifier().map_err(|error| {
            fault(format!("must be set, because the system's certificates cannot be used: {error}"))
        })?
    } else {
        builder.with_root_certificates(tls::authorities(ca_file).map_err(fault)?)
    };
    Ok(TlsConnector::from(Arc::new(builder.with_no_client_auth())))
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.uri)
    }
}
