//! Apache's side of `FastCGI`, as `mod_authnz_fcgi` speaks it.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A question as Apache asks it, and what is answered.
pub async fn ask(address: SocketAddr, user: &str, secret: &str, client: &str) -> String {
    let record = |kind: u8, content: &[u8]| {
        let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[1, kind, 0, 1, high, low, 0, 0], content].concat()
    };
    let mut params = Vec::new();
    // With what a client may send besides.
    let lies = [("HTTP_X_FORWARDED_FOR", "198.51.100.7"), ("HTTP_REMOTE_ADDR", "198.51.100.7")];
    let asked = [("REMOTE_USER", user), ("REMOTE_PASSWD", secret), ("REMOTE_ADDR", client)];
    for (name, value) in lies.into_iter().chain(asked) {
        params.push(u8::try_from(name.len()).unwrap());
        params.extend((u32::try_from(value.len()).unwrap() | 1 << 31).to_be_bytes());
        params.extend(name.bytes().chain(value.bytes()));
    }
    let mut socket = TcpStream::connect(address).await.unwrap();
    let all = [record(1, &[0, 2, 0, 0, 0, 0, 0, 0]), record(4, &params), record(4, b"")].concat();
    socket.write_all(&all).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
