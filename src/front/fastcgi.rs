//! `FastCGI` as far as an authorizer needs it, and as Apache's `mod_authnz_fcgi` speaks it: who would like to come in, by which
//! password, and whether they may (`FastCGI` 1.0 §3.3, §5.1, §5.2 and §6.3).

use std::{future::Future, io, net::IpAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::Semaphore,
    time::timeout,
};

use super::{listen::Listener, socket::Stream, trust::Peer};

/// Connections at once; Apache holds each for one question.
const CONNECTIONS: usize = 256;
/// The time for one question to come whole, and for its answer to be taken.
const PATIENCE: Duration = Duration::from_secs(10);
/// Octets of the parameters of one question: Apache adds all that the client sent as headers.
const MOST: usize = 512 << 10;
/// Pause after the system had no room for a connection.
const BREATH: Duration = Duration::from_millis(100);

const VERSION: u8 = 1;
const BEGIN: u8 = 1;
const ABORT: u8 = 2;
const END: u8 = 3;
const PARAMS: u8 = 4;
const STDIN: u8 = 5;
const STDOUT: u8 = 6;
const AUTHORIZER: u16 = 2;
/// How a question ends that was answered; that nobody else may ask meanwhile; that nothing but an authorizer is here.
const COMPLETE: u8 = 0;
const ONE_AT_A_TIME: u8 = 1;
const UNKNOWN_ROLE: u8 = 3;

/// What is asked.
#[derive(Clone, PartialEq, Eq)]
pub struct Question {
    /// The user's name, as the client sent it.
    pub user: Vec<u8>,
    /// The password.
    pub password: Vec<u8>,
    /// Where the client is.
    pub address: Option<IpAddr>,
}

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

/// What is answered: a status other than 200 asks the client for another password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status, with its words.
    pub status: &'static str,
    /// Lines of the head besides it.
    pub head: Vec<(&'static str, String)>,
}

/// Who knows.
pub trait Authorizer: Send + Sync + 'static {
    /// Whether they may come in.
    fn authorize(&self, question: Question) -> impl Future<Output = Reply> + Send;
}

/// Answers until `shutdown`. Nobody but this machine is listened to, for the password is in the clear.
pub async fn authorize<A: Authorizer>(
    listener: Listener,
    authorizer: Arc<A>,
    shutdown: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, peer)) if is_near(&peer) => {
                let authorizer = Arc::clone(&authorizer);
                tokio::spawn(async move {
                    let ended = match stream {
                        Stream::Tcp(stream) => converse(stream, &*authorizer).await,
                        Stream::Unix(stream) => converse(stream, &*authorizer).await,
                        Stream::Tls(stream) => converse(stream, &*authorizer).await,
                    };
                    if let Err(error) = ended {
                        tracing::debug!("a FastCGI connection ended: {error}");
                    }
                    drop(place);
                });
            }
            Ok((_, peer)) => tracing::warn!("FastCGI from {peer}, which is not this machine"),
            Err(error) => {
                tracing::error!("{listener} takes no connection: {error}");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    drop(timeout(PATIENCE, places.acquire_many(all)).await);
}

const fn is_near(peer: &Peer) -> bool {
    match peer {
        Peer::Tcp(address) | Peer::Tls(address, _) => address.is_loopback(),
        Peer::Unix(_) => true,
    }
}

/// Question by question, as long as the other side keeps the connection.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    authorizer: &impl Authorizer,
) -> io::Result<()> {
    loop {
        let Some(asked) = timeout(PATIENCE, read(&mut stream)).await?? else { return Ok(()) };
        let Asked { id, keep, question } = asked;
        let answer = match question {
            Ok(question) => written(id, &authorizer.authorize(question).await),
            Err(why) => ended(id, why).to_vec(),
        };
        timeout(PATIENCE, stream.write_all(&answer)).await??;
        if !keep {
            return stream.shutdown().await;
        }
    }
}

struct Asked {
    id: u16,
    keep: bool,
    question: Result<Question, u8>,
}

/// The next question; none where the other side has no more. What is not of that protocol is an error.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Asked>> {
    let Some((BEGIN, id, begin)) = record(stream).await? else { return Ok(None) };
    let [high, low, flags, ..] = begin[..] else { return Err(no_fastcgi("a beginning that is none")) };
    let (keep, role) = (flags & 1 != 0, u16::from_be_bytes([high, low]));
    if role != AUTHORIZER {
        return Ok(Some(Asked { id, keep: false, question: Err(UNKNOWN_ROLE) }));
    }
    let mut params = Vec::new();
    loop {
        let Some((kind, of, content)) = record(stream).await? else {
            return Err(no_fastcgi("a question that breaks off"));
        };
        match kind {
            BEGIN => return Ok(Some(Asked { id: of, keep: false, question: Err(ONE_AT_A_TIME) })),
            PARAMS if of == id && content.is_empty() => break,
            PARAMS if of == id && params.len() + content.len() <= MOST => params.extend(content),
            PARAMS if of == id => return Err(no_fastcgi("too long a question")),
            // There is no body, and where one is said to be it is empty.
            STDIN if content.is_empty() => {}
            ABORT if of == id => return Ok(Some(Asked { id, keep, question: Err(COMPLETE) })),
            _ => return Err(no_fastcgi("a record that nobody expects")),
        }
    }
    let question = question(&params).ok_or_else(|| no_fastcgi("parameters that are none"))?;
    Ok(Some(Asked { id, keep, question: Ok(question) }))
}

/// A record: its type, whose it is, what is in it; none at the end.
async fn record(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<(u8, u16, Vec<u8>)>> {
    let mut head = [0; 8];
    if stream.read(&mut head[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut head[1..]).await?;
    let [version, kind, id_high, id_low, high, low, padding, _] = head;
    if version != VERSION {
        return Err(no_fastcgi("another version"));
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    let mut content = vec![0; length + usize::from(padding)];
    stream.read_exact(&mut content).await?;
    content.truncate(length);
    Ok(Some((kind, u16::from_be_bytes([id_high, id_low]), content)))
}

fn no_fastcgi(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// What the parameters ask. One that is there twice is no question, for two programs would read two.
fn question(mut params: &[u8]) -> Option<Question> {
    let (mut user, mut password, mut address) = (None, None, None);
    while !params.is_empty() {
        let name = length(&mut params)?;
        let value = length(&mut params)?;
        let (name, rest) = params.split_at_checked(name)?;
        let (value, rest) = rest.split_at_checked(value)?;
        params = rest;
        let place = match name {
            b"REMOTE_USER" => &mut user,
            b"REMOTE_PASSWD" => &mut password,
            b"REMOTE_ADDR" => &mut address,
            _ => continue,
        };
        if place.replace(value.to_vec()).is_some() {
            return None;
        }
    }
    let address = address.and_then(|address| std::str::from_utf8(&address).ok()?.parse().ok());
    Some(Question { user: user.unwrap_or_default(), password: password.unwrap_or_default(), address })
}

/// A length, in one octet or in four (§3.4).
fn length(params: &mut &[u8]) -> Option<usize> {
    let (&first, rest) = params.split_first()?;
    if first < 0x80 {
        *params = rest;
        return Some(first.into());
    }
    let (four, rest) = params.split_first_chunk::<4>()?;
    *params = rest;
    usize::try_from(u32::from_be_bytes(*four) & 0x7fff_ffff).ok()
}

/// The records of an answer. A line that would be two is left out, and with it the permission.
fn written(id: u16, reply: &Reply) -> Vec<u8> {
    let plain = |(_, value): &(&str, String)| !value.chars().any(char::is_control);
    let whole = reply.head.iter().all(plain);
    let mut text = format!("Status: {}\r\n", if whole { reply.status } else { "401 Unauthorized" });
    for (name, value) in reply.head.iter().filter(|_| whole) {
        text.extend([name, ": ", value, "\r\n"]);
    }
    text.push_str("\r\n");
    let mut out = Vec::with_capacity(text.len() + 40);
    for part in text.as_bytes().chunks(usize::from(u16::MAX)) {
        out.extend(head(STDOUT, id, u16::try_from(part.len()).unwrap_or(u16::MAX)));
        out.extend(part);
    }
    out.extend(head(STDOUT, id, 0));
    out.extend(ended(id, COMPLETE));
    out
}

fn ended(id: u16, how: u8) -> [u8; 16] {
    let mut out = [0; 16];
    out[..8].copy_from_slice(&head(END, id, 8));
    out[12] = how;
    out
}

const fn head(kind: u8, id: u16, length: u16) -> [u8; 8] {
    let ([id_high, id_low], [high, low]) = (id.to_be_bytes(), length.to_be_bytes());
    [VERSION, kind, id_high, id_low, high, low, 0, 0]
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use proptest::prelude::*;

    use super::*;

    struct Knows;

    impl Authorizer for Knows {
        async fn authorize(&self, question: Question) -> Reply {
            assert_eq!(question.address, Some(IpAddr::from([192, 0, 2, 7])));
            let right = question.user == b"alice" && question.password == b"a:b";
            let head = vec![("Variable-KALENDS_PRINCIPAL", "alice/k7/ro/*".to_owned())];
            Reply { status: if right { "200 OK" } else { "401 Unauthorized" }, head }
        }
    }

    fn record_of(kind: u8, id: u16, content: &[u8]) -> Vec<u8> {
        let mut out = head(kind, id, u16::try_from(content.len()).unwrap()).to_vec();
        out[6] = 3;
        out.extend(content);
        out.extend([0; 3]);
        out
    }

    fn params(pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, value) in pairs {
            out.push(u8::try_from(name.len()).unwrap());
            out.extend((u32::try_from(value.len()).unwrap() | 1 << 31).to_be_bytes());
            out.extend(name.bytes().chain(value.bytes()));
        }
        out
    }

    fn asked(password: &str, keep: u8) -> Vec<u8> {
        let all = [
            ("REMOTE_USER", "alice"),
            ("REMOTE_PASSWD", password),
            ("REMOTE_ADDR", "192.0.2.7"),
            ("HTTP_COOKIE", &"x".repeat(300)),
        ];
        let (params, mut out) = (params(&all), record_of(BEGIN, 7, &[0, 2, keep, 0, 0, 0, 0, 0]));
        for part in params.chunks(50) {
            out.extend(record_of(PARAMS, 7, part));
        }
        out.extend(record_of(PARAMS, 7, b""));
        out
    }

    /// What is answered to these octets, and whether they were understood.
    fn answered(sent: &[u8]) -> (bool, Vec<u8>) {
        let (mut ours, theirs) = tokio::io::duplex(4 << 20);
        ours.write_all(sent).now_or_never().unwrap().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async move {
            ours.shutdown().await.unwrap();
            let understood = converse(theirs, &Knows).await.is_ok();
            let mut answer = Vec::new();
            ours.read_to_end(&mut answer).await.unwrap();
            (understood, answer)
        })
    }

    #[test]
    fn a_question_is_answered() {
        let (understood, answer) = answered(&asked("a:b", 0));
        let text = "Status: 200 OK\r\nVariable-KALENDS_PRINCIPAL: alice/k7/ro/*\r\n\r\n";
        assert!(understood);
        assert_eq!(&answer[8..8 + text.len()], text.as_bytes());
        assert_eq!(answer[8 + text.len()..], [&head(STDOUT, 7, 0)[..], &ended(7, COMPLETE)].concat());
        assert!(String::from_utf8_lossy(&answered(&asked("a", 0)).1).contains("Status: 401 Unauthorized"));
        // Two on one connection that is kept.
        let both = [asked("a:b", 1), asked("x", 0)].concat();
        let (understood, answer) = answered(&both);
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert!(understood && text.contains("200 OK") && text.contains("401 Unauthorized"));
    }

    #[test]
    fn what_is_no_question_is_not_answered_with_yes() {
        let begin = record_of(BEGIN, 7, &[0, 2, 0, 0, 0, 0, 0, 0]);
        let twice = params(&[("REMOTE_USER", "alice"), ("REMOTE_USER", "bob")]);
        let long = record_of(PARAMS, 7, &vec![b'x'; 60_000]);
        for (sent, understood) in [
            (Vec::new(), true),
            (b"GET / HTTP/1.1\r\n\r\n".to_vec(), false),
            (begin.clone(), false),
            (begin[..5].to_vec(), false),
            (record_of(BEGIN, 7, &[0, 2]), false),
            (record_of(BEGIN, 7, &[0, 1, 0, 0, 0, 0, 0, 0]), true),
            ([begin.clone(), begin.clone()].concat(), true),
            ([begin.clone(), record_of(ABORT, 7, b"")].concat(), true),
            ([begin.clone(), record_of(STDIN, 7, b"x")].concat(), false),
            ([begin.clone(), record_of(PARAMS, 8, b"")].concat(), false),
            ([begin.clone(), record_of(PARAMS, 7, &twice), record_of(PARAMS, 7, b"")].concat(), false),
            ([begin.clone(), record_of(PARAMS, 7, &[200, 0, 0]), record_of(PARAMS, 7, b"")].concat(), false),
            ([begin.clone(), record_of(PARAMS, 7, &[9, 9, b'x']), record_of(PARAMS, 7, b"")].concat(), false),
            ([begin.clone(), long.repeat(9)].concat(), false),
            (record_of(9, 0, b""), true),
        ] {
            let (was, answer) = answered(&sent);
            assert_eq!(was, understood, "{:?}", &sent[..sent.len().min(40)]);
            assert!(!String::from_utf8_lossy(&answer).contains("200"), "{:?}", &sent[..sent.len().min(40)]);
        }
        let split = Reply { status: "200 OK", head: vec![("Variable-A", "a\r\nVariable-B: b".to_owned())] };
        let text = String::from_utf8_lossy(&written(1, &split)).into_owned();
        assert!(text.contains("401") && !text.contains("Variable"), "{text}");
    }

    proptest! {
        #[test]
        fn octets_are_never_a_panic(octets in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..300) {
            question(&octets);
            let mut sent = asked("x", 1);
            sent.truncate(cut);
            sent.extend(&octets);
            let (_, answer) = answered(&sent);
            prop_assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
        }
    }
}
