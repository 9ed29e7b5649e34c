//! A zip file of calendars, as Google Takeout makes it: what is in it of calendars is written into a folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, Result, bail};
use zip::ZipArchive;

use super::{export::make, tree::is_of_a_calendar};

/// Octets that may come out of it; the files in it.
const MOST: u64 = 16 << 30;
const MOST_FILES: usize = 2_000_000;

/// Unpacks the calendars of a zip file into a new folder.
pub fn unpack(file: &Path, folder: &Path) -> Result<()> {
    let shown = || file.display().to_string();
    let mut zip = File::open(file).map_err(anyhow::Error::from).and_then(|file| Ok(ZipArchive::new(file)?));
    let zip = zip.as_mut().map_err(|error| anyhow::anyhow!("{}: {error}", shown()))?;
    if zip.len() > MOST_FILES {
        bail!("{} has more than {MOST_FILES} files", shown());
    }
    make(folder)?;
    let mut room = MOST;
    for nth in 0..zip.len() {
        let entry = zip.by_index(nth).with_context(shown)?;
        // A name that leads out of the folder is none.
        let Some(name) = entry.enclosed_name().filter(|_| entry.is_file()) else { continue };
        if !is_of_a_calendar(&name) {
            continue;
        }
        let path = folder.join(&name);
        let parent = path.parent().unwrap_or(folder);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).with_context(shown)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut out = options.open(&path).with_context(|| format!("{}: {}", shown(), name.display()))?;
        let told = || format!("{}: {}", shown(), name.display());
        let octets = io::copy(&mut entry.take(room + 1), &mut out).with_context(told)?;
        if octets > room {
            bail!("{} is more than {} GiB unpacked", shown(), MOST >> 30);
        }
        room -= octets;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::write::{SimpleFileOptions, ZipWriter};

    #[test]
    fn calendars_come_out_and_nothing_else_and_nowhere_else() {
        let base = std::env::temp_dir().join(format!("kalends-packed-{}", std::process::id()));
        let (file, folder) = (base.with_extension("zip"), base.with_extension("out"));
        let _ = fs::remove_dir_all(&folder);
        let mut zip = ZipWriter::new(File::create(&file).unwrap());
        let text = b"BEGIN:VCALENDAR\r\nX-WR-CALNAME:A\r\nEND:VCALENDAR\r\n".repeat(100);
        for name in [
            "Takeout/Calendar/A.ics",
            "Takeout/Mail/all.mbox",
            "../out.ics",
            "/etc/x.ics",
            "a/.Radicale.props",
        ] {
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
            zip.write_all(&text).unwrap();
        }
        zip.finish().unwrap();
        unpack(&file, &folder).unwrap();
        assert_eq!(fs::read(folder.join("Takeout/Calendar/A.ics")).unwrap(), text);
        assert!(folder.join("a/.Radicale.props").is_file() && !folder.join("Takeout/Mail").exists());
        assert!(!base.with_file_name("out.ics").exists());
        assert!(unpack(&file, &folder).is_err(), "the folder is not new");
        let mut octets = fs::read(&file).unwrap();
        let half = octets.len() / 2;
        octets.truncate(half);
        fs::write(&file, octets).unwrap();
        let other = base.with_extension("other");
        assert!(unpack(&file, &other).unwrap_err().to_string().contains(file.to_str().unwrap()));
        fs::remove_file(&file).unwrap();
        fs::remove_dir_all(&folder).unwrap();
    }
}
