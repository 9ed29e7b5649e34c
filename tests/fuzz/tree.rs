//! Any octets as an XML body.

use kalends::xml::{Element, each, parse};

/// Read element by element it is the same. Each element stands for itself as a fragment: what is read of that is what was read of the body.
pub fn run(octets: &[u8]) {
    if let Ok(root) = parse(octets) {
        let mut members = root.children();
        let outer = each(octets, |member| same(&member, members.next().expect("a member")));
        let outer = outer.expect("it was read");
        assert!(members.next().is_none() && outer.children().len() == 0 && outer.name() == root.name());
        let fragment = root.fragment();
        let again = parse(fragment.as_bytes()).unwrap_or_else(|fault| panic!("{fault:?}\n{fragment}"));
        same(&root, &again);
        assert_eq!(again.fragment(), fragment, "a fragment stays as it is");
        if let Some(inner) = root.children().last() {
            let fragment = inner.fragment();
            let again = parse(fragment.as_bytes()).unwrap_or_else(|fault| panic!("{fault:?}\n{fragment}"));
            same(inner, &again);
        }
    }
}

fn same(a: &Element, b: &Element) {
    assert_eq!((a.name(), a.text(), a.lang()), (b.name(), b.text(), b.lang()));
    assert!(a.attributes().eq(b.attributes()), "attributes of {:?}", a.name());
    assert_eq!(a.children().len(), b.children().len(), "children of {:?}", a.name());
    a.children().zip(b.children()).for_each(|(a, b)| same(a, b));
}
