//! An HTTP/1.1 client that sends what it is told to, and one request a connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What is sent, octet for octet.
pub struct Request {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Every value of the header, joined as RFC 9110 §5.3 allows.
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self
            .headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }
}

/// Sends the request and reads the whole answer.
pub fn send(server: SocketAddr, request: &Request) -> Result<Answer, String> {
    exchange(server, request).map_err(|e| format!("no answer: {e}"))?
}

fn exchange(server: SocketAddr, request: &Request) -> std::io::Result<Result<Answer, String>> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut head = format!("{} {} HTTP/1.1\r\nConnection: close\r\n", request.method, request.target);
    for (name, value) in &request.headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    if !request.body.is_empty() || matches!(request.method.as_str(), "PUT" | "POST") {
        head.extend(["Content-Length: ", &request.body.len().to_string(), "\r\n"]);
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    // A server may answer and close before it has read a body it refuses.
    let _ = stream.write_all(&request.body);
    let mut octets = Vec::new();
    let ended = stream.read_to_end(&mut octets);
    if octets.is_empty() {
        ended?;
    }
    Ok(parse(&octets, request.method == "HEAD"))
}

fn parse(octets: &[u8], headless: bool) -> Result<Answer, String> {
    let split =
        octets.windows(4).position(|w| w == b"\r\n\r\n").ok_or("the head of the answer does not end")?;
    let (head, rest) = (&octets[..split], &octets[split + 4..]);
    let head = std::str::from_utf8(head).map_err(|_| "the head of the answer is not UTF-8")?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
    let status = status.ok_or_else(|| format!("not a status line: {head}"))?;
    let headers: Option<Vec<_>> =
        lines.map(|line| line.split_once(':').map(|(n, v)| (n.to_owned(), v.trim().to_owned()))).collect();
    let mut answer = Answer { status, headers: headers.ok_or("not a header line")?, body: Vec::new() };
    if headless {
        return if rest.is_empty() { Ok(answer) } else { Err("HEAD was answered with a body".to_owned()) };
    }
    answer.body = match (answer.header("Transfer-Encoding"), answer.header("Content-Length")) {
        (Some(_), _) => chunks(rest)?,
        (None, Some(length)) if length.parse() == Ok(rest.len()) => rest.to_vec(),
        (None, Some(length)) => return Err(format!("{} octets came, {length} were announced", rest.len())),
        (None, None) => rest.to_vec(),
    };
    Ok(answer)
}

fn chunks(mut rest: &[u8]) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        let line =
            rest.windows(2).position(|w| w == b"\r\n").ok_or("the answer ends in the middle of a chunk")?;
        let size = std::str::from_utf8(&rest[..line]).ok().and_then(|s| usize::from_str_radix(s, 16).ok());
        let size = size.ok_or("not a chunk size")?;
        if size == 0 {
            return Ok(body);
        }
        let chunk = rest.get(line + 2..line + 2 + size).ok_or("the answer ends in the middle of a chunk")?;
        body.extend_from_slice(chunk);
        rest = rest.get(line + size + 4..).ok_or("the answer ends in the middle of a chunk")?;
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn whole_answers_are_read_and_cut_ones_are_not() {
        let answer = parse(b"HTTP/1.1 207 Multi-Status\r\nA: 1\r\na: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", false);
        let answer = answer.expect("whole");
        assert_eq!((answer.status, &answer.body[..]), (207, &b"abcd"[..]));
        assert_eq!(answer.header("A").as_deref(), Some("1, 2"));
        assert!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", false).is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", false).is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", true).is_ok());
        assert!(parse(b"HTTP/1.1 200 OK\r\nA: 1", false).is_err());
    }
}
