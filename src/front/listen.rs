//! What the server listens on: addresses, Unix sockets, and the sockets systemd hands over.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use listenfd::ListenFd;
use tokio::net::{TcpListener, TcpSocket, UnixListener};

use crate::config::{Fault, Listen, Settings, exposure};
use crate::front::socket::Stream;
use crate::front::trust::Peer;

/// Connections that wait to be taken.
const BACKLOG: u32 = 1024;

/// An open socket that takes connections.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    name: String,
    handed_over: bool,
    /// The file of a Unix socket that is ours to remove.
    file: Option<File>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    inode: (u64, u64),
}

/// What comes in by a listener. The sockets of systemd are told apart by the name that their unit gives them
/// (`FileDescriptorName=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Calendars: whatever is called otherwise than the others.
    Caldav,
    /// The REST service: `api`.
    Rest,
    /// Apache's questions: `check`.
    Check,
}

impl Door {
    fn of(name: &str) -> Self {
        match name {
            "api" => Self::Rest,
            "check" => Self::Check,
            _ => Self::Caldav,
        }
    }

    const fn setting(self) -> &'static str {
        match self {
            Self::Caldav => "server.listen",
            Self::Rest => "api.listen",
            Self::Check => "api.fastcgi",
        }
    }
}

/// Opens everything in `server.listen`, in its order; to be called within the runtime. The fault names what could
/// not be opened and why.
pub fn open(settings: &Settings) -> Result<Vec<Listener>, Fault> {
    let mut listeners = Vec::new();
    for listen in &settings.server.listen {
        match listen {
            Listen::Systemd => listeners.extend(handed_over(Door::Caldav, settings)?),
            other => listeners.push(Listener::open(other, settings)?),
        }
    }
    Ok(listeners)
}

impl Listener {
    /// Opens the one address or socket of a door, or takes it from systemd.
    pub fn of(door: Door, listen: &Listen, settings: &Settings) -> Result<Self, Fault> {
        if *listen != Listen::Systemd {
            return Self::open(listen, settings).map_err(|fault| Fault::new(door.setting(), fault.text));
        }
        let mut all = handed_over(door, settings)?;
        match (all.pop(), all.is_empty()) {
            (Some(one), true) => Ok(one),
            _ => Err(Fault::new(door.setting(), "has systemd, which handed over several sockets for it")),
        }
    }

    /// Opens one address or Unix socket.
    pub fn open(listen: &Listen, settings: &Settings) -> Result<Self, Fault> {
        let opened = match listen {
            Listen::Tcp(address) => tcp(*address).map(|socket| (Socket::Tcp(socket), None)),
            Listen::Unix(path) => {
                unix(path, settings).map(|(socket, file)| (Socket::Unix(socket), Some(file)))
            }
            Listen::Systemd => Err(io::Error::other("systemd hands over several")),
        };
        let (socket, file) = opened.map_err(|error| {
            Fault::new("server.listen", format!("has {listen}, which cannot be listened on: {error}"))
        })?;
        Ok(Self { socket, name: listen.to_string(), handed_over: false, file })
    }

    /// The address of a TCP listener, with the port that the system chose for port 0.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().ok(),
            Socket::Unix(_) => None,
        }
    }

    /// Where others reach it.
    #[must_use]
    pub fn place(&self) -> Option<Listen> {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().ok().map(Listen::Tcp),
            Socket::Unix(listener) => {
                let address = listener.local_addr().ok()?;
                // One of ours was moved to its place after it was bound.
                let file = self.file.as_ref().map(|file| file.path.clone());
                file.or_else(|| address.as_pathname().map(Path::to_owned)).map(Listen::Unix)
            }
        }
    }

    /// Whether connections that wait here will be taken by the next process.
    pub(super) fn outlives_us(&self) -> bool {
        self.handed_over
    }

    pub(super) async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Small answers must not wait for the client's acknowledgement.
                stream.set_nodelay(true)?;
                Ok((Stream::Tcp(stream), Peer::Tcp(address.ip().to_canonical())))
            }
            Socket::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let uid = stream.peer_cred().ok().map(|credentials| credentials.uid());
                Ok((Stream::Unix(stream), Peer::Unix(uid)))
            }
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address() {
            Some(address) => address.fmt(f),
            None => f.write_str(&self.name),
        }
    }
}

impl Drop for File {
    /// Removes the file, unless another server has put its own in the place.
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|file| (file.dev(), file.ino()) == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The socket is made under another name and moved to its place when its mode and group are right, so that nobody
/// connects before, and a stale one of a killed server is replaced in the same instant.
fn unix(path: &Path, settings: &Settings) -> io::Result<(UnixListener, File)> {
    if let Ok(found) = std::fs::symlink_metadata(path) {
        if !std::os::unix::fs::FileTypeExt::is_socket(&found.file_type()) {
            return Err(io::Error::other("there is a file of that name that is no socket"));
        }
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(io::Error::other("another server listens there"));
        }
    }
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", std::process::id()));
    let draft = PathBuf::from(draft);
    let _ = std::fs::remove_file(&draft);
    let listener = UnixListener::bind(&draft)?;
    let placed = (|| {
        let group = group(&settings.server.unix_group)?;
        if group.is_some() {
            chown(&draft, None, group)?;
        }
        let mode = u32::from_str_radix(&settings.server.unix_mode, 8).map_err(io::Error::other)?;
        std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(mode))?;
        std::fs::rename(&draft, path)?;
        std::fs::symlink_metadata(path)
    })();
    let file = placed.inspect_err(|_| drop(std::fs::remove_file(&draft)))?;
    Ok((listener, File { path: path.to_owned(), inode: (file.dev(), file.ino()) }))
}

/// The number of a group.
fn group(name: &str) -> io::Result<Option<u32>> {
    if name.is_empty() {
        return Ok(None);
    }
    if let Ok(number) = name.parse() {
        return Ok(Some(number));
    }
    let groups = std::fs::read_to_string("/etc/group")?;
    let mut rows = groups.lines().map(|line| line.split(':'));
    let number = rows.find_map(|mut row| (row.next() == Some(name)).then(|| row.nth(1)?.parse().ok())?);
    let unknown =
        || io::Error::other(format!("/etc/group has no group {name}: write its number in server.unix_group"));
    number.map(Some).ok_or_else(unknown)
}

/// A socket that systemd has handed over.
struct Given {
    index: usize,
    door: Door,
    socket: io::Result<Std>,
}

enum Std {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

/// What systemd has handed to this process (`LISTEN_FDS`), and nobody has taken yet.
static GIVEN: LazyLock<Mutex<Vec<Given>>> = LazyLock::new(|| {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut sockets = ListenFd::from_env();
    let given = (0..sockets.len()).map(|index| Given {
        index,
        door: Door::of(names.next().unwrap_or_default()),
        socket: taken(&mut sockets, index),
    });
    Mutex::new(given.collect())
});

/// The sockets of systemd for a door. Their addresses are systemd's to choose, so the rules against forgers and listeners are
/// held against them here.
fn handed_over(door: Door, settings: &Settings) -> Result<Vec<Listener>, Fault> {
    let fault = |text: String| Fault::new(door.setting(), text);
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut listeners = Vec::new();
    for Given { index, socket, .. } in given.extract_if(.., |given| given.door == door) {
        let listener = socket.and_then(|socket| listening(socket, index));
        let listener = listener
            .map_err(|error| fault(format!("has systemd, whose socket {index} is of no use: {error}")))?;
        if let Some(address) = listener.address() {
            let near = address.ip().is_loopback();
            match door {
                Door::Check if !near => return Err(fault(format!("is {address}, which others reach"))),
                Door::Check => {}
                Door::Caldav | Door::Rest => exposure(address, settings).map_or(Ok(()), Err)?,
            }
        }
        listeners.push(listener);
    }
    let named = match door {
        Door::Caldav => "no socket",
        Door::Rest => "no socket with FileDescriptorName=api",
        Door::Check => "no socket with FileDescriptorName=check",
    };
    if listeners.is_empty() {
        return Err(fault(format!("has systemd, but {named} was handed over: start it by a .socket unit")));
    }
    Ok(listeners)
}

fn taken(sockets: &mut ListenFd, index: usize) -> io::Result<Std> {
    if let Ok(Some(listener)) = sockets.take_tcp_listener(index) {
        return Ok(Std::Tcp(listener));
    }
    Ok(Std::Unix(sockets.take_unix_listener(index)?.ok_or(io::ErrorKind::NotFound)?))
}

fn listening(socket: Std, index: usize) -> io::Result<Listener> {
    let socket = match socket {
        Std::Tcp(listener) => {
            listener.set_nonblocking(true)?;
            Socket::Tcp(TcpListener::from_std(listener)?)
        }
        Std::Unix(listener) => {
            listener.set_nonblocking(true)?;
            Socket::Unix(UnixListener::from_std(listener)?)
        }
    };
    Ok(Listener { socket, name: format!("systemd:{index}"), handed_over: true, file: None })
}
