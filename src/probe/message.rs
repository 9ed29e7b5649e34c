//! One request as it goes out: every octet of its header lines is chosen, the wrong ones too.

use std::fmt;

/// The protocol a request is spoken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// HTTP/1.0.
    One0,
    /// HTTP/1.1.
    One1,
    /// HTTP/2, over TLS alone.
    Two,
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// By nothing: there is no body, or the header lines say what they say.
    Bare,
    /// By Content-Length.
    Length,
    /// By chunks.
    Chunked,
    /// By Content-Length, and the body waits for `100 Continue`.
    Expecting,
}

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) method: &'static str,
    pub(super) target: String,
    pub(super) version: Version,
    /// Who sends it, or what is special about it.
    pub(super) label: String,
    /// Whether it carries the operator's credentials.
    pub(super) signed: bool,
    /// Whether the Host line is the site's own.
    pub(super) hosted: bool,
    /// Header lines, without their ends.
    pub(super) lines: Vec<Vec<u8>>,
    pub(super) framing: Framing,
    pub(super) body: Vec<u8>,
}

/// Asks whom the server takes the sender for.
pub(super) const WHO: &str =
    r#"<propfind xmlns="DAV:"><prop><current-user-principal/><resourcetype/></prop></propfind>"#;

impl Message {
    /// A request without credentials.
    pub(super) fn new(method: &'static str, target: impl Into<String>) -> Self {
        Self {
            method,
            target: target.into(),
            version: Version::One1,
            label: String::new(),
            signed: false,
            hosted: true,
            lines: Vec::new(),
            framing: Framing::Bare,
            body: Vec::new(),
        }
    }

    /// The question who is asking.
    pub(super) fn who(target: impl Into<String>) -> Self {
        Self::new("PROPFIND", target).line("Depth: 0").xml(WHO)
    }

    /// With a header line more, as it stands.
    pub(super) fn line(mut self, line: impl AsRef<[u8]>) -> Self {
        self.lines.push(line.as_ref().to_vec());
        self
    }

    /// With all of these.
    pub(super) fn lines(self, lines: &[Vec<u8>]) -> Self {
        lines.iter().fold(self, Self::line)
    }

    /// With a body of XML.
    pub(super) fn xml(self, body: impl Into<String>) -> Self {
        self.line("Content-Type: application/xml; charset=utf-8").body(Framing::Length, body.into())
    }

    /// With this body.
    pub(super) fn body(mut self, framing: Framing, body: impl Into<Vec<u8>>) -> Self {
        self.framing = framing;
        self.body = body.into();
        self
    }

    /// With the operator's credentials.
    pub(super) fn signed(mut self) -> Self {
        self.signed = true;
        self
    }

    /// Without the Host line of the site; the lines bring their own.
    pub(super) fn hostless(mut self) -> Self {
        self.hosted = false;
        self
    }

    /// In this protocol.
    pub(super) fn over(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// With a word on what it is.
    pub(super) fn called(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Everything up to the body, as HTTP/1 writes it.
    pub(super) fn head(&self, host: &str, authorization: Option<&str>) -> Vec<u8> {
        let version = if self.version == Version::One0 { "1.0" } else { "1.1" };
        let mut head = format!("{} {} HTTP/{version}\r\n", self.method, self.target).into_bytes();
        let mut add = |line: &[u8]| head.extend([line, b"\r\n"].concat());
        if self.hosted {
            add(format!("Host: {host}").as_bytes());
        }
        if let Some(authorization) = authorization.filter(|_| self.signed) {
            add(format!("Authorization: {authorization}").as_bytes());
        }
        if !self.lines.iter().any(|line| line.starts_with(b"User-Agent:")) {
            add(b"User-Agent: kalends-check");
        }
        self.lines.iter().for_each(|line| add(line));
        match self.framing {
            Framing::Bare => {}
            Framing::Length => add(format!("Content-Length: {}", self.body.len()).as_bytes()),
            Framing::Chunked => add(b"Transfer-Encoding: chunked"),
            Framing::Expecting => {
                add(format!("Content-Length: {}\r\nExpect: 100-continue", self.body.len()).as_bytes());
            }
        }
        add(b"");
        head
    }

    /// The body, as it is framed.
    pub(super) fn framed(&self) -> Vec<u8> {
        if self.framing != Framing::Chunked {
            return self.body.clone();
        }
        let chunk = |piece: &[u8]| [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
        let mut out: Vec<u8> = self.body.chunks(16 << 10).flat_map(chunk).collect();
        out.extend(b"0\r\n\r\n");
        out
    }
}

impl fmt::Display for Message {
    /// For people: no credentials, and control characters escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.target)?;
        if !self.label.is_empty() {
            write!(f, " ({})", self.label)?;
        }
        f.write_str(if self.signed { " signed in" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_out_as_they_are() {
        let message = Message::new("GET", "/a%2Fb").line(b"X-A : b\rc").line("x_a:\r\n d").signed();
        let head = message.head("h:1", Some("Basic eA=="));
        let wanted = "GET /a%2Fb HTTP/1.1\r\nHost: h:1\r\nAuthorization: Basic eA==\r\nUser-Agent: kalends-check\r\n\
                      X-A : b\rc\r\nx_a:\r\n d\r\n\r\n";
        assert_eq!(String::from_utf8(head).unwrap(), wanted);
        let bare = Message::new("GET", "/").hostless().over(Version::One0).line("User-Agent: b");
        assert_eq!(bare.head("h", Some("secret")), b"GET / HTTP/1.0\r\nUser-Agent: b\r\n\r\n");
    }

    #[test]
    fn bodies_are_framed_as_is_said() {
        let message = Message::new("PUT", "/").body(Framing::Chunked, "x".repeat(16385));
        let framed = message.framed();
        assert!(framed.starts_with(b"4000\r\nxx") && framed.ends_with(b"x\r\n1\r\nx\r\n0\r\n\r\n"));
        let expecting = Message::new("PUT", "/").body(Framing::Expecting, "xyz");
        let head = String::from_utf8(expecting.head("h", None)).unwrap();
        assert!(head.ends_with("Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"), "{head}");
        assert_eq!(expecting.framed(), b"xyz");
    }
}
