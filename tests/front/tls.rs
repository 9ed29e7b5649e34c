//! TLS from outside: who gets through the handshake, whose certificate is believed, and what a connection may cost.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use kalends::config::{Listen, Secret, Settings, Span};
use kalends::front::{Front, Listener, open};
use rustls::ClientConfig;
use rustls::client::Resumption;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use crate::SHORT;
use crate::echo::Server;
use crate::pki::{Pki, client, handshake};
use crate::wire::{PATIENCE, Wire};

/// An authority `ca`, the server's certificate, and the certificates of proxies: `proxy`, and one that is wrong in one
/// way each.
fn pki() -> Pki {
    let pki = Pki::new();
    pki.authority("ca");
    pki.authority("stranger");
    pki.signed("server", "ca", "DNS:localhost");
    pki.signed("proxy", "ca", "DNS:proxy.example.org");
    pki.signed("other", "ca", "DNS:other.example.org");
    pki.signed("forged", "stranger", "DNS:proxy.example.org");
    pki
}

fn tls(settings: &mut Settings, pki: &Pki) {
    settings.server.tls_certificate = pki.file("server.pem");
    settings.server.tls_key = pki.file("server.key");
}

/// TLS that demands a certificate.
fn mutual(settings: &mut Settings, pki: &Pki) {
    tls(settings, pki);
    settings.server.tls_client_ca = pki.file("ca.pem");
}

/// A client that trusts the authority and shows the certificate of this name; of none, if it is empty.
fn showing(pki: &Pki, name: &str) -> Arc<ClientConfig> {
    Arc::new(client(pki, name, rustls::ALL_VERSIONS))
}

/// The same, without TLS 1.3.
fn old_fashioned(pki: &Pki, name: &str) -> Arc<ClientConfig> {
    Arc::new(client(pki, name, &[&rustls::version::TLS12]))
}

async fn connect(server: &Server, config: &Arc<ClientConfig>) -> Option<Wire<TlsStream<TcpStream>>> {
    let stream = TcpStream::connect(server.address.unwrap()).await.unwrap();
    handshake(config, stream).await.ok().map(Wire::new)
}

/// The status of a request as alice; none where the handshake fails. In TLS 1.3 the client believes to be through
/// before its certificate is looked at, so that the failure is seen at the first reading.
async fn status(server: &Server, config: &Arc<ClientConfig>) -> Option<u16> {
    let mut wire = connect(server, config).await?;
    wire.try_send("GET /who HTTP/1.1\r\nHost: x\r\nX-Forwarded-User: alice\r\n\r\n").await;
    wire.try_answer().await.map(|answer| answer.status)
}

#[tokio::test]
async fn addresses_speak_tls_and_nothing_else() {
    let pki = pki();
    let server = Server::start(|settings| tls(settings, &pki));
    assert_eq!(status(&server, &showing(&pki, "")).await, Some(200));
    // One that is not asked for is not sent, and harms nothing.
    assert_eq!(status(&server, &showing(&pki, "proxy")).await, Some(200));
    let mut plain = server.connect().await;
    plain.try_send("GET /who HTTP/1.1\r\nHost: x\r\nX-Forwarded-User: alice\r\n\r\n").await;
    let mut answer = Vec::new();
    while let Some(byte) = plain.exactly(1).await {
        answer.extend(byte);
    }
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1"), "{answer:?}");
}

#[tokio::test]
async fn both_protocols_are_offered() {
    let pki = pki();
    let server = Server::start(|settings| tls(settings, &pki));
    for (offered, chosen) in [(&["h2", "http/1.1"][..], "h2"), (&["http/1.1"], "http/1.1")] {
        let mut config = client(&pki, "", rustls::ALL_VERSIONS);
        config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(server.address.unwrap()).await.unwrap();
        let mut stream = handshake(&Arc::new(config), stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(chosen.as_bytes()));
        if chosen == "h2" {
            // The preface and an empty SETTINGS frame; the server's own SETTINGS come back (RFC 9113 §3.4).
            let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
            tokio::io::AsyncWriteExt::write_all(&mut stream, preface).await.unwrap();
            let mut head = [0; 9];
            tokio::time::timeout(PATIENCE, stream.read_exact(&mut head)).await.unwrap().unwrap();
            assert_eq!(head[3], 4, "{head:?}");
        }
    }
}

#[tokio::test]
async fn only_a_certificate_of_the_authority_gets_through() {
    let pki = pki();
    pki.expired("old", "ca", "DNS:proxy.example.org");
    let server = Server::start(|settings| mutual(settings, &pki));
    for (name, seen) in
        [("", None), ("forged", None), ("old", None), ("proxy", Some(200)), ("other", Some(200))]
    {
        assert_eq!(status(&server, &showing(&pki, name)).await, seen, "{name:?}");
    }
    // The same with TLS 1.2, where the handshake itself tells.
    for (name, seen) in [("", None), ("forged", None), ("old", None), ("proxy", Some(200))] {
        assert_eq!(status(&server, &old_fashioned(&pki, name)).await, seen, "{name:?}");
    }
}

#[tokio::test]
async fn a_certificate_of_another_name_is_nobody_and_a_reload_changes_the_names() {
    let pki = pki();
    let settings = |names: &[&str]| {
        let mut settings = Settings::default();
        mutual(&mut settings, &pki);
        settings.identity.trusted_names = names.iter().map(|name| (*name).to_owned()).collect();
        settings
    };
    let server = Server::start(|default| *default = settings(&["proxy.example.org"]));
    assert_eq!(status(&server, &showing(&pki, "proxy")).await, Some(200));
    assert_eq!(status(&server, &showing(&pki, "other")).await, Some(401));
    // An open connection is held against the names of now.
    let mut wire = connect(&server, &showing(&pki, "proxy")).await.unwrap();
    for (names, status) in [
        (&["proxy.example.org"][..], 200),
        (&["other.example.org"], 401),
        (&["a.b", "proxy.example.org"], 200),
    ] {
        server.front.reload(&settings(names)).unwrap();
        wire.send("GET /who HTTP/1.1\r\nHost: x\r\nX-Forwarded-User: alice\r\n\r\n").await;
        assert_eq!(wire.answer().await.status, status, "{names:?}");
    }
}

#[tokio::test]
async fn a_session_is_not_resumed_where_certificates_are_demanded() {
    let pki = pki();
    let server = Server::start(|settings| mutual(settings, &pki));
    // Two clients with one store of sessions, as the places of one proxy have: the first shows a certificate.
    let sessions = Resumption::in_memory_sessions(16);
    let mut with = client(&pki, "proxy", rustls::ALL_VERSIONS);
    let mut without = client(&pki, "", rustls::ALL_VERSIONS);
    with.resumption = sessions.clone();
    without.resumption = sessions;
    let (with, without) = (Arc::new(with), Arc::new(without));
    for _ in 0..3 {
        assert_eq!(status(&server, &with).await, Some(200));
        assert_eq!(status(&server, &without).await, None);
    }
    // Nothing is resumed by the same client either: each connection proves itself.
    let mut kinds = Vec::new();
    for config in [with, old_fashioned(&pki, "proxy")] {
        for _ in 0..2 {
            let stream = TcpStream::connect(server.address.unwrap()).await.unwrap();
            let stream = handshake(&config, stream).await.unwrap();
            kinds.push(stream.get_ref().1.handshake_kind().unwrap());
            let mut wire = Wire::new(stream);
            wire.send("GET /who HTTP/1.1\r\nHost: x\r\nX-Forwarded-User: alice\r\n\r\n").await;
            assert_eq!(wire.answer().await.status, 200);
        }
    }
    assert!(kinds.iter().all(|kind| *kind != rustls::HandshakeKind::Resumed), "{kinds:?}");
}

#[tokio::test]
async fn a_handshake_that_stands_still_is_cut_off_and_holds_a_place_till_then() {
    let pki = pki();
    let server = Server::start(|settings| {
        tls(settings, &pki);
        settings.limits.header_time = SHORT;
        settings.limits.connections = 1;
    });
    for start in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let mut wire = server.connect().await;
        wire.send(start).await;
        // The only place is taken: the next client gets its turn when the first has been cut off.
        let began = std::time::Instant::now();
        assert_eq!(status(&server, &showing(&pki, "")).await, Some(200));
        assert!(began.elapsed() >= *SHORT / 2, "{start:?}");
        assert!(wire.closes().await, "{start:?}");
    }
}

#[tokio::test]
async fn the_end_does_not_wait_for_handshakes() {
    let pki = pki();
    let server = Server::start(|settings| tls(settings, &pki));
    let mut silent = server.connect().await;
    // The server has taken the connection when it has answered one that came later.
    assert_eq!(status(&server, &showing(&pki, "")).await, Some(200));
    let end = server.stop();
    assert!(silent.closes().await);
    let drained = tokio::time::timeout(Duration::from_secs(5), end).await.unwrap().unwrap();
    assert_eq!(drained.cut, 0);
}

#[tokio::test]
async fn a_reload_takes_the_renewed_certificate_and_keeps_the_old_one_where_that_is_wrong() {
    let pki = pki();
    let mut settings = Settings::default();
    tls(&mut settings, &pki);
    let server = Server::start(|default| *default = settings.clone());
    let shown = async || {
        let stream = TcpStream::connect(server.address.unwrap()).await.unwrap();
        let stream = handshake(&showing(&pki, ""), stream).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    };
    let before = shown().await;
    pki.signed("server", "ca", "DNS:localhost");
    assert_eq!(shown().await, before);
    server.front.reload(&settings).unwrap();
    let after = shown().await;
    assert_ne!(after, before);

    settings.server.tls_key = pki.file("proxy.key");
    let fault = server.front.reload(&settings).unwrap_err().to_string();
    assert!(fault.contains("does not go with server.tls_certificate"), "{fault}");
    assert_eq!(shown().await, after);
}

#[tokio::test]
async fn files_that_cannot_be_used_forbid_the_start() {
    let pki = pki();
    std::fs::write(pki.file("empty.pem"), "").unwrap();
    let fault = |change: &dyn Fn(&mut Settings)| {
        let mut settings = Settings::default();
        mutual(&mut settings, &pki);
        change(&mut settings);
        Front::new(&settings).unwrap_err().to_string()
    };
    for (fault, parts) in [
        (
            fault(&|s| s.server.tls_certificate = pki.file("none")),
            ["server.tls_certificate names ", "No such file"],
        ),
        (
            fault(&|s| s.server.tls_certificate = pki.file("empty.pem")),
            ["server.tls_certificate", "no certificate"],
        ),
        (fault(&|s| s.server.tls_key = pki.file("none")), ["server.tls_key names ", "none"]),
        (fault(&|s| s.server.tls_key = pki.file("server.pem")), ["server.tls_key names ", "server.pem"]),
        (fault(&|s| s.server.tls_key = pki.file("ca.key")), ["server.tls_key does not go with", ""]),
        (
            fault(&|s| s.server.tls_client_ca = pki.file("empty.pem")),
            ["server.tls_client_ca names ", "no certificate"],
        ),
    ] {
        assert!(parts.iter().all(|part| fault.contains(part)), "{fault}");
    }
}

#[tokio::test]
async fn unix_sockets_stay_plain_and_the_monitor_too() {
    let pki = pki();
    let mut settings = Settings::default();
    mutual(&mut settings, &pki);
    settings.server.listen = vec![Listen::Unix(pki.file("http.sock"))];
    let server = Server::with(&settings, open(&settings).unwrap());
    let mut wire = Wire::new(UnixStream::connect(pki.file("http.sock")).await.unwrap());
    wire.send("GET /who HTTP/1.1\r\nHost: x\r\nX-Forwarded-User: alice\r\n\r\n").await;
    assert_eq!(wire.answer().await.status, 200);
    drop(server);
    // The monitor has no certificate of its own to ask for.
    settings.server.tls_key = pki.file("none");
    assert!(Front::new(&settings).is_err() && Front::quiet(&settings).is_ok());
}

#[tokio::test]
async fn a_reload_does_not_open_an_address_to_strangers() {
    let mut settings = Settings::default();
    settings.identity.trusted = vec!["10.0.0.0/8".parse().unwrap(), "127.0.0.0/8".parse().unwrap()];
    settings.identity.secret = Secret::from("0123456789abcdef".to_owned());
    settings.limits.header_time = Span::seconds(75);
    let everywhere = Listen::Tcp(([0, 0, 0, 0], 0).into());
    let server = Server::with(&settings, vec![Listener::open(&everywhere, &settings).unwrap()]);
    assert!(server.front.reload(&settings).is_ok());
    // The settings would be right for loopback alone, but the socket is open.
    settings.identity.secret = Secret::default();
    assert!(settings.faults().is_empty());
    assert_eq!(server.front.reload(&settings).unwrap_err().key, "identity.secret");
}

/// A real nginx: one location shows a certificate, another shows none, and both have the same peer.
#[tokio::test]
async fn a_place_of_nginx_without_a_certificate_does_not_share_that_of_another() {
    let pki = pki();
    let server = Server::start(|settings| {
        mutual(settings, &pki);
        settings.identity.trusted_names = vec!["proxy.example.org".into()];
    });
    let nginx = Nginx::start(pki, server.address.unwrap());
    let ask = async |path: &str| {
        let mut wire = Wire::new(nginx.connect().await);
        wire.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        let answer = wire.answer().await;
        (answer.status, answer.body)
    };
    for _ in 0..3 {
        assert_eq!(ask("/with/who").await, (200, "alice".into()));
        assert_eq!(ask("/without/who").await.0, 502);
        assert_eq!(ask("/other/who").await.0, 401);
    }
}

struct Nginx {
    process: Child,
    socket: PathBuf,
    _pki: Pki,
}

impl Nginx {
    fn start(pki: Pki, upstream: SocketAddr) -> Self {
        let dir = pki.dir.display();
        let place = |name: &str, shows: &str| {
            format!(
                "location /{name}/ {{ proxy_pass https://{upstream}/; proxy_set_header X-Forwarded-User alice; {shows}
                 proxy_ssl_verify on; proxy_ssl_trusted_certificate {dir}/ca.pem; proxy_ssl_name localhost; }}"
            )
        };
        let shown = |name: &str| {
            format!("proxy_ssl_certificate {dir}/{name}.pem; proxy_ssl_certificate_key {dir}/{name}.key;")
        };
        let places =
            [place("with", &shown("proxy")), place("without", ""), place("other", &shown("other"))].concat();
        let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {dir}/{kind};"))
            .concat();
        let text = format!(
            "{user} daemon off; worker_processes 1; pid {dir}/pid; error_log stderr; events {{}}
             http {{ access_log off; {temporary} server {{ listen unix:{dir}/nginx.sock; {places} }} }}"
        );
        std::fs::write(pki.file("nginx.conf"), text).unwrap();
        // Debian has it where only root's path leads.
        let program =
            ["/usr/sbin/nginx", "/usr/local/sbin/nginx"].into_iter().find(|path| Path::new(path).exists());
        let process = Command::new(program.unwrap_or("nginx"))
            .args(["-e", "stderr", "-c"])
            .arg(pki.file("nginx.conf"))
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx is there");
        Self { process, socket: pki.file("nginx.sock"), _pki: pki }
    }

    async fn connect(&self) -> UnixStream {
        let connected = async {
            loop {
                match UnixStream::connect(&self.socket).await {
                    Ok(stream) => return stream,
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, connected).await.expect("nginx listens")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.process.wait();
    }
}
