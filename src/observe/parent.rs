//! The trace that a request belongs to, as the proxy says it (W3C Trace Context), or one of its own.

use uuid::Uuid;

/// The longest `tracestate` that is passed on.
const LONGEST_STATE: usize = 512;

/// Where a request stands among the others of its trace.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The trace, 16 bytes in hexadecimal.
    pub(super) trace: String,
    /// The span of who asked.
    pub(super) parent: Option<String>,
    /// What those before said of the trace.
    pub(super) state: String,
}

impl Place {
    /// The place of a request that came with this `traceparent` and `tracestate`; none if it is not to be traced. Of those
    /// that nobody has decided upon, `sample` of a hundred are.
    pub(super) fn of(parent: &str, state: &str, sample: u32) -> Option<Self> {
        if let Some((trace, span, sampled)) = read(parent) {
            let fits =
                state.len() <= LONGEST_STATE && state.bytes().all(|byte| (b' '..=b'~').contains(&byte));
            let state = if fits { state.to_owned() } else { String::new() };
            return sampled.then(|| Self { trace: trace.into(), parent: Some(span.into()), state });
        }
        let trace = Uuid::new_v4();
        // Of a UUID of this kind, the lower half is random but for its first two bits.
        let chosen = trace.as_u64_pair().1 % 100 < u64::from(sample);
        chosen.then(|| Self { trace: trace.simple().to_string(), parent: None, state: String::new() })
    }
}

/// A name for a span, 8 bytes in hexadecimal; never zero.
pub(super) fn span() -> String {
    format!("{:016x}", Uuid::new_v4().as_u64_pair().1)
}

/// Trace, parent and whether it is sampled. Of a version to come, what this one knows is read.
fn read(text: &str) -> Option<(&str, &str, bool)> {
    let hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let lengths = [(version, 2), (trace, 32), (span, 16), (flags, 2)];
    let formed = lengths.iter().all(|(part, length)| part.len() == *length && hex(part));
    let named = [trace, span].iter().all(|id| id.bytes().any(|byte| byte != b'0'));
    let known = version != "ff" && (version != "00" || parts.next().is_none());
    let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
    (formed && named && known).then_some((trace, span, sampled))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    #[test]
    fn a_parent_is_read_and_its_word_counts() {
        let place = Place::of(&format!("00-{TRACE}-{SPAN}-01"), "a=b,c=d", 0).unwrap();
        assert_eq!((place.trace.as_str(), place.parent.as_deref()), (TRACE, Some(SPAN)));
        assert_eq!(place.state, "a=b,c=d");
        assert_eq!(Place::of(&format!("00-{TRACE}-{SPAN}-00"), "", 100), None);
        assert!(Place::of(&format!("01-{TRACE}-{SPAN}-03-more"), "", 0).is_some());
        let long = Place::of(&format!("00-{TRACE}-{SPAN}-01"), &"x".repeat(513), 0).unwrap();
        assert_eq!(long.state, "");
    }

    #[test]
    fn what_is_no_parent_is_none() {
        for bad in [
            String::new(),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{SPAN}-+1"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}"),
        ] {
            assert_eq!(read(&bad), None, "{bad}");
        }
    }

    #[test]
    fn of_a_hundred_so_many_are_chosen() {
        let chosen = |sample| (0..10_000).filter(|_| Place::of("", "", sample).is_some()).count();
        assert_eq!((chosen(0), chosen(100)), (0, 10_000));
        let tenth = chosen(10);
        assert!((800..1200).contains(&tenth), "{tenth}");
        let place = Place::of("", "", 100).unwrap();
        assert!(place.parent.is_none() && read(&format!("00-{}-{}-01", place.trace, span())).is_some());
    }
}
