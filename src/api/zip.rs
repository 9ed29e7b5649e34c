//! A zip archive that is written while it is sent: each file stored as it is, its length behind it, of any length and number.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use zip::{
    CompressionMethod, ZipWriter,
    result::ZipResult,
    write::{SimpleFileOptions, StreamWriter},
};

/// An archive on its way.
pub struct Zip {
    writer: ZipWriter<StreamWriter<Sink>>,
    sink: Sink,
}

/// What was written and is not sent yet.
#[derive(Clone, Debug, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Default for Zip {
    fn default() -> Self {
        let sink = Sink::default();
        Self { writer: ZipWriter::new_stream(sink.clone()), sink }
    }
}

impl Zip {
    /// Begins a file, which ends the one before.
    pub fn begin(&mut self, name: &str) -> ZipResult<()> {
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        // Nobody knows yet how long it will be.
        self.writer.start_file(name, stored.large_file(true))
    }

    /// Goes on with the file.
    pub fn piece(&mut self, octets: &[u8]) -> ZipResult<()> {
        Ok(self.writer.write_all(octets)?)
    }

    /// What is to be sent by now.
    #[must_use]
    pub fn taken(&self) -> Bytes {
        self.sink.taken()
    }

    /// Ends the archive; what is left to be sent: the list of its files.
    pub fn finish(self) -> ZipResult<Bytes> {
        Ok(self.writer.finish()?.into_inner().taken())
    }
}

impl Sink {
    fn octets(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn taken(&self) -> Bytes {
        mem::take(&mut *self.octets()).into()
    }
}

impl Write for Sink {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.octets().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use zip::ZipArchive;

    use super::*;

    #[test]
    fn an_archive_has_what_was_put_in_and_keeps_nothing_back() {
        let (mut zip, mut out) = (Zip::default(), Vec::new());
        for (name, pieces) in [("\u{e4}.txt", &["12345", "6789"][..]), ("empty", &[]), ("folder/c", &["c"])] {
            zip.begin(name).unwrap();
            for piece in pieces {
                zip.piece(piece.as_bytes()).unwrap();
                let sent = zip.taken();
                assert!(sent.ends_with(piece.as_bytes()) && zip.taken().is_empty(), "{piece}");
                out.extend(sent);
            }
        }
        out.extend(zip.finish().unwrap());
        let mut read = ZipArchive::new(Cursor::new(out)).unwrap();
        for (name, content) in [("\u{e4}.txt", "123456789"), ("empty", ""), ("folder/c", "c")] {
            let mut text = String::new();
            read.by_name(name).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, content, "{name}");
        }
    }

    #[test]
    fn more_files_than_sixteen_bits_count_are_all_there() {
        let (mut zip, mut out) = (Zip::default(), Vec::new());
        for number in 0..70_000 {
            zip.begin(&number.to_string()).unwrap();
            zip.piece(b"x").unwrap();
            out.extend(zip.taken());
        }
        out.extend(zip.finish().unwrap());
        let mut read = ZipArchive::new(Cursor::new(out)).unwrap();
        assert_eq!(read.len(), 70_000);
        assert_eq!(read.by_name("69999").unwrap().size(), 1);
    }
}
