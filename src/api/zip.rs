//! A zip archive that is written while it is sent: each file stored as it is, its length behind it (PKWARE APPNOTE 4.3, 4.4.4).

/// The beginnings of the records.
const LOCAL: u32 = 0x0403_4b50;
const DESCRIPTOR: u32 = 0x0807_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
/// The length follows the content, and names are UTF-8.
const FLAGS: u16 = 0x0808;
/// What can read it: 2.0.
const VERSION: u16 = 20;
/// 1980-01-01, the first day that there is.
const DAY: u16 = 0x0021;

/// A file.
struct Entry {
    name: String,
    at: u32,
    octets: u32,
    sum: u32,
}

/// An archive on its way. It has at most 65,535 files and 4 GiB.
#[derive(Default)]
pub struct Zip {
    entries: Vec<Entry>,
    at: u32,
    open: bool,
}

/// The archive would be longer than it can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl Zip {
    /// Begins a file.
    pub fn begin(&mut self, name: &str) -> Result<Vec<u8>, TooLong> {
        let length = u16::try_from(name.len()).map_err(|_| TooLong)?;
        if self.entries.len() >= usize::from(u16::MAX) {
            return Err(TooLong);
        }
        let mut out = LOCAL.to_le_bytes().to_vec();
        for field in [VERSION, FLAGS, 0, 0, DAY] {
            out.extend(field.to_le_bytes());
        }
        out.extend([0; 12]);
        out.extend(length.to_le_bytes());
        out.extend([0; 2]);
        out.extend(name.as_bytes());
        self.entries.push(Entry { name: name.to_owned(), at: self.at, octets: 0, sum: u32::MAX });
        self.open = true;
        self.on(out.len())?;
        Ok(out)
    }

    /// Counts a piece of the file, which goes out as it is.
    pub fn piece(&mut self, octets: &[u8]) -> Result<(), TooLong> {
        self.on(octets.len())?;
        if let Some(entry) = self.entries.last_mut() {
            entry.octets += u32::try_from(octets.len()).map_err(|_| TooLong)?;
            entry.sum = octets
                .iter()
                .fold(entry.sum, |sum, octet| TABLE[usize::from(sum.to_le_bytes()[0] ^ octet)] ^ (sum >> 8));
        }
        Ok(())
    }

    /// Ends the file.
    pub fn end(&mut self) -> Result<Vec<u8>, TooLong> {
        let mut out = Vec::new();
        if let Some(entry) = self.entries.last_mut().filter(|_| self.open) {
            entry.sum = !entry.sum;
            for field in [DESCRIPTOR, entry.sum, entry.octets, entry.octets] {
                out.extend(field.to_le_bytes());
            }
        }
        self.open = false;
        self.on(out.len())?;
        Ok(out)
    }

    /// Ends the archive: the list of its files.
    pub fn finish(mut self) -> Result<Vec<u8>, TooLong> {
        let start = self.at;
        let mut out = Vec::new();
        for entry in &self.entries {
            out.extend(CENTRAL.to_le_bytes());
            for field in [VERSION, VERSION, FLAGS, 0, 0, DAY] {
                out.extend(field.to_le_bytes());
            }
            for field in [entry.sum, entry.octets, entry.octets] {
                out.extend(field.to_le_bytes());
            }
            out.extend(u16::try_from(entry.name.len()).map_err(|_| TooLong)?.to_le_bytes());
            out.extend([0; 12]);
            out.extend(entry.at.to_le_bytes());
            out.extend(entry.name.as_bytes());
        }
        let (count, octets) = (u16::try_from(self.entries.len()), u32::try_from(out.len()));
        let (count, octets) = (count.map_err(|_| TooLong)?, octets.map_err(|_| TooLong)?);
        self.on(out.len())?;
        out.extend(END.to_le_bytes());
        out.extend([0; 4]);
        out.extend(count.to_le_bytes());
        out.extend(count.to_le_bytes());
        out.extend(octets.to_le_bytes());
        out.extend(start.to_le_bytes());
        out.extend([0; 2]);
        Ok(out)
    }

    fn on(&mut self, octets: usize) -> Result<(), TooLong> {
        let octets = u32::try_from(octets).map_err(|_| TooLong)?;
        self.at = self.at.checked_add(octets).ok_or(TooLong)?;
        Ok(())
    }
}

/// The remainders of all octets (ISO 3309).
const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let (mut table, mut octet) = ([0; 256], 0);
    while octet < 256 {
        let (mut rest, mut bit) = (octet, 0);
        while bit < 8 {
            rest = if rest & 1 == 1 { 0xedb8_8320 ^ (rest >> 1) } else { rest >> 1 };
            bit += 1;
        }
        table[octet as usize] = rest;
        octet += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_sum_and_its_place() {
        let mut zip = Zip::default();
        let mut out = zip.begin("ä.txt").unwrap();
        for piece in ["12345", "6789"] {
            zip.piece(piece.as_bytes()).unwrap();
            out.extend(piece.as_bytes());
        }
        out.extend(zip.end().unwrap());
        let list = out.len();
        out.extend(zip.begin("b").unwrap());
        out.extend(zip.end().unwrap());
        let directory = out.len();
        out.extend(zip.finish().unwrap());
        // The check value of this sum is that of these nine digits.
        assert_eq!(out[list - 12..list - 8], 0xcbf4_3926_u32.to_le_bytes());
        assert_eq!(out[list - 8..list - 4], 9_u32.to_le_bytes());
        let end = out.len() - 22;
        assert_eq!(out[end + 10..end + 12], 2_u16.to_le_bytes());
        assert_eq!(out[end + 16..end + 20], u32::try_from(directory).unwrap().to_le_bytes());
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let mut zip = Zip { at: u32::MAX - 10, ..Zip::default() };
        assert_eq!(zip.begin("a"), Err(TooLong));
    }
}
