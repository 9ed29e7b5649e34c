//! A connection that cannot stand still for ever: it must show its protocol in time, and take what is sent to it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;

use crate::front::ending::Ending;

/// What an HTTP/2 client sends first (RFC 9113 §3.4); until the bytes differ from it, or it is whole, hyper waits
/// for more without a limit.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Each kind of stream.
#[derive(Debug)]
pub(super) enum Stream {
    /// Over an address.
    Tcp(TcpStream),
    /// Over an address, after the handshake.
    Tls(Box<TlsStream<TcpStream>>),
    /// Over a path.
    Unix(UnixStream),
}

/// A stream under watch.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Stream,
    /// How much of the preface has been seen, and by when it must be decided; none once it is.
    greeting: Option<(usize, Pin<Box<Sleep>>)>,
    stall: Duration,
    /// By when the peer must take something; none while it does.
    taking: Option<Pin<Box<Sleep>>>,
    ending: Arc<Ending>,
    /// Whether its reading side has been shut.
    shut: bool,
}

impl Socket {
    /// `greeting` is the time for the first bytes, `stall` the time a write may wait for the peer.
    pub(super) fn new(stream: Stream, greeting: Duration, stall: Duration, ending: Arc<Ending>) -> Self {
        let greeting = Some((0, Box::pin(tokio::time::sleep(greeting))));
        Self { stream, greeting, stall, taking: None, ending, shut: false }
    }

    /// Nothing that comes later is read; what is there already still is, and then the end.
    fn shut(&mut self) {
        self.shut = true;
        let shut = rustix::net::Shutdown::Read;
        // Fails where the peer has gone, which is an end as well.
        let _ = match &self.stream {
            Stream::Tcp(stream) => rustix::net::shutdown(stream, shut),
            Stream::Unix(stream) => rustix::net::shutdown(stream, shut),
            Stream::Tls(stream) => rustix::net::shutdown(stream.get_ref().0, shut),
        };
    }

    fn greet(&mut self, bytes: &[u8]) {
        if let Some((seen, _)) = &mut self.greeting {
            let rest = &PREFACE[*seen..];
            let compared = rest.len().min(bytes.len());
            *seen += compared;
            let (differs, whole) = (rest[..compared] != bytes[..compared], *seen == PREFACE.len());
            if whole && !differs {
                self.ending.speaks_http2();
            }
            if whole || differs {
                self.greeting = None;
            }
        }
    }

    /// Passes on what a write has come to, and gives up when it waits too long.
    fn watched<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.taking = None;
            return written;
        }
        let stall = self.stall;
        let taking = self.taking.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
        ready!(taking.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = match &mut this.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        };
        if read.is_ready() {
            this.greet(&buffer.filled()[before..]);
        } else if this.ending.is_due() && !this.shut {
            // The system wakes whoever waits for the socket, with what there is or with the end.
            this.shut();
        } else if let Some((_, deadline)) = &mut this.greeting {
            ready!(deadline.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = match &mut this.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        this.watched(written, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = match &mut this.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Stream::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        };
        this.watched(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
