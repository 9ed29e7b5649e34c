//! Where the proxy is, and the connections to it and past it: TCP, TLS, Unix sockets.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::config::Listen;

/// Time to reach somebody.
const REACH: Duration = Duration::from_secs(10);

/// What bytes go through.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection.
pub(super) type Stream = Box<dyn Io>;

/// Whom a request is sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Via {
    /// The proxy, as its URL says.
    Proxy,
    /// The proxy's host, at a port of its own and without TLS.
    Plain(u16),
    /// A listener of kalends itself.
    Own(Listen),
}

/// The site that is tried.
pub(super) struct Site {
    /// Whether it is https.
    pub(super) secure: bool,
    /// Host and port, as the URL has them.
    pub(super) authority: String,
    /// The path of the URL; `/` if it has none.
    pub(super) path: String,
    pub(super) host: String,
    pub(super) port: u16,
    address: Option<String>,
    tls: Option<Arc<ClientConfig>>,
}

impl Site {
    /// The site of a URL. `resolve` is `HOST:PORT:ADDRESS`, `ca` a file of certificates to trust instead of the system's.
    pub(super) fn new(url: &str, resolve: Option<&str>, ca: Option<&Path>) -> Result<Self> {
        let uri: http::Uri = url.parse().with_context(|| format!("{url} is no URL"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            bail!("{url} is no URL: write it as https://cal.example.org");
        };
        let secure = match scheme {
            "https" => true,
            "http" => false,
            _ => bail!("{url}: the proxy is asked by https or http"),
        };
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let host = authority.host().to_ascii_lowercase();
        Ok(Self {
            secure,
            authority: authority.as_str().to_ascii_lowercase(),
            path: uri.path().to_owned(),
            address: resolve.map(|rule| resolved(rule, &host, port)).transpose()?.flatten(),
            host,
            port,
            tls: if secure { Some(Arc::new(tls(ca)?)) } else { None },
        })
    }

    /// As `https://cal.example.org`.
    pub(super) fn origin(&self) -> String {
        format!("{}://{}", if self.secure { "https" } else { "http" }, self.authority)
    }

    /// A connection; over TLS one that speaks this protocol.
    pub(super) async fn connect(&self, via: &Via, alpn: &[u8]) -> io::Result<Stream> {
        let connecting = async {
            match via {
                Via::Own(Listen::Unix(path)) => Ok(Box::new(UnixStream::connect(path).await?) as Stream),
                Via::Own(Listen::Tcp(address)) => Ok(Box::new(tcp(reachable(*address)).await?) as Stream),
                Via::Own(Listen::Systemd) => Err(io::Error::other("systemd holds the socket")),
                Via::Plain(port) => Ok(Box::new(self.dial(*port).await?) as Stream),
                Via::Proxy => self.proxy(alpn).await,
            }
        };
        timeout(REACH, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn proxy(&self, alpn: &[u8]) -> io::Result<Stream> {
        let plain = self.dial(self.port).await?;
        let Some(config) = &self.tls else { return Ok(Box::new(plain)) };
        let mut config = ClientConfig::clone(config);
        config.alpn_protocols = vec![alpn.to_vec()];
        let name = self.host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(name).map_err(io::Error::other)?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, plain).await?;
        if alpn == b"h2" && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(io::Error::other("the proxy does not offer HTTP/2"));
        }
        Ok(Box::new(stream))
    }

    async fn dial(&self, port: u16) -> io::Result<TcpStream> {
        let host = self.address.as_deref().unwrap_or(&self.host).trim_matches(['[', ']']);
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// An address of the server's own that can be connected to.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let loopback: [std::net::IpAddr; 2] = [[127, 0, 0, 1].into(), std::net::Ipv6Addr::LOCALHOST.into()];
        address.set_ip(loopback[usize::from(address.is_ipv6())]);
    }
    address
}

async fn tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The address of a rule as curl has it, if it is for this host and port.
fn resolved(rule: &str, host: &str, port: u16) -> Result<Option<String>> {
    let mut parts = rule.splitn(3, ':');
    let (Some(name), Some(at), Some(address)) = (parts.next(), parts.next(), parts.next()) else {
        bail!("--resolve is HOST:PORT:ADDRESS, as in cal.example.org:443:127.0.0.1");
    };
    let ours = name.eq_ignore_ascii_case(host) && at.parse() == Ok(port);
    Ok(ours.then(|| address.to_owned()))
}

fn tls(ca: Option<&Path>) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let verifier = match ca {
        Some(file) => {
            authority(file, &provider).with_context(|| format!("--ca {} cannot be used", file.display()))?
        }
        None => {
            Arc::new(Verifier::new(Arc::clone(&provider)).context("the system's certificates: give --ca")?)
        }
    };
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

fn authority(file: &Path, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file)? {
        roots.add(certificate?)?;
    }
    Ok(WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where() {
        let site = Site::new("https://Cal.example.org", None, None).unwrap();
        assert_eq!(
            (site.origin().as_str(), site.port, site.path.as_str()),
            ("https://cal.example.org", 443, "/")
        );
        let site = Site::new("http://h:8080/dav/", Some("h:8080:127.0.0.2"), None).unwrap();
        assert_eq!((site.address.as_deref(), site.path.as_str()), (Some("127.0.0.2"), "/dav/"));
        assert!(Site::new("http://h", Some("h:8080:127.0.0.2"), None).unwrap().address.is_none());
        for bad in ["cal.example.org", "ftp://h", "https:///x"] {
            assert!(Site::new(bad, None, None).is_err(), "{bad}");
        }
        assert!(Site::new("http://h", Some("h"), None).is_err());
    }
}
