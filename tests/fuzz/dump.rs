//! Any octets as a dump of `MySQL`.

use kalends::import::dump::try_out;

/// It is read or refused.
pub fn run(octets: &[u8]) {
    try_out(octets);
}
