//! One exchange with another server: over TLS its certificate is checked, and size and time are bounded.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::request::Builder;
use http::{HeaderName, HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::config::Fault;
use crate::front::tls;

/// Time for the whole of it.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of the answer.
const MOST: usize = 1 << 20;

/// What services say to each other who they are with.
const SERVICE_AUTH: HeaderName = HeaderName::from_static("x-service-auth");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Where another server is, and how it is known.
pub struct Remote {
    uri: Uri,
    host: String,
    port: u16,
    /// Where TLS is spoken.
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// A setting: its key, and what it is set to.
pub type Setting<'a, T> = (&'static str, &'a T);

impl Remote {
    /// The server at `url`, which is http or https; its certificate comes from the authorities in `ca_file`, or the system's
    /// when that is empty.
    pub fn new(url: Setting<'_, str>, ca_file: Setting<'_, Path>) -> Result<Self, Fault> {
        let fault = |why: &dyn std::fmt::Display| Fault::new(url.0, format!("is no address: {why}"));
        let uri: Uri = url.1.parse().map_err(|error| fault(&error))?;
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let (usual, tls) = if uri.scheme_str() == Some("http") {
            (80, None)
        } else {
            let name = ServerName::try_from(host.clone()).map_err(|error| fault(&error))?;
            (443, Some((connector(ca_file)?, name)))
        };
        Ok(Self { host, port: uri.port_u16().unwrap_or(usual), tls, uri })
    }

    /// Fetches the document; the error is for the log.
    pub(super) async fn get(&self) -> Result<Bytes, String> {
        self.answer(Request::get(self.target()).header(ACCEPT, JSON), Bytes::new(), PATIENCE).await
    }

    /// Hands over a document of JSON; the error is for the log.
    pub async fn post(&self, document: Bytes) -> Result<Bytes, String> {
        self.answer(Request::post(self.target()).header(CONTENT_TYPE, JSON), document, PATIENCE).await
    }

    /// Asks a question of its own, as who has that token, where one is needed; the error is for the log.
    pub(super) async fn ask(&self, target: &str, token: &str, patience: Duration) -> Result<Bytes, String> {
        let mut head = Request::get(target).header(ACCEPT, JSON);
        if !token.is_empty() {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|e| e.to_string())?;
            value.set_sensitive(true);
            head = head.header(SERVICE_AUTH, value);
        }
        self.answer(head, Bytes::new(), patience).await
    }

    /// Path and query.
    pub(super) fn target(&self) -> &str {
        self.uri.path_and_query().map_or("/", |target| target.as_str())
    }

    async fn answer(&self, head: Builder, body: Bytes, patience: Duration) -> Result<Bytes, String> {
        let authority = self.uri.authority().map_or(self.host.as_str(), |authority| authority.as_str());
        let request = head.header(HOST, authority).body(Full::new(body)).map_err(|e| e.to_string())?;
        let answered = tokio::time::timeout(patience, self.send(request)).await;
        answered.map_err(|_| format!("no answer within {} ms", patience.as_millis()))?
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Bytes, String> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(|e| e.to_string())?;
        match &self.tls {
            None => exchange(tcp, request).await,
            Some((connector, name)) => {
                let tls = connector.connect(name.clone(), tcp).await.map_err(|e| e.to_string())?;
                exchange(tls, request).await
            }
        }
    }
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Bytes, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    // Ends with the sender.
    tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    if !answer.status().is_success() {
        return Err(format!("the answer is {}", answer.status()));
    }
    let body = Limited::new(answer.into_body(), MOST).collect().await;
    Ok(body.map_err(|error| error.to_string())?.to_bytes())
}

pub(super) fn connector((key, ca_file): Setting<'_, Path>) -> Result<TlsConnector, Fault> {
    let fault = |text: String| Fault::new(key, text);
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
