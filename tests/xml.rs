//! The XML room from outside: hostile documents are refused for the right reason, dead properties survive word for word,
//! what is written is read back the same, and no octets make the reader panic.

use kalends::xml::{Element, Fault, Name, Ns, QName, Writer, parse};
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest,
};

fn fault(body: &str) -> Fault {
    match parse(body.as_bytes()) {
        Err(malformed) => malformed.fault,
        Ok(element) => panic!("{body} was read as {element:?}"),
    }
}

#[test]
fn entities_and_document_types_are_refused() {
    let laughs = r#"<!DOCTYPE a [<!ENTITY l "ha"><!ENTITY m "&l;&l;">]><a>&m;</a>"#;
    assert_eq!(fault(laughs), Fault::DocumentType);
    assert_eq!(fault(r#"<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>"#), Fault::DocumentType);
    assert_eq!(fault("<a>&nbsp;</a>"), Fault::Entity("nbsp".into()));
    assert!(matches!(fault("<a b='&nbsp;'/>"), Fault::Attribute(_)));
    assert!(matches!(fault("<a>&#xD800;</a>"), Fault::Entity(_)));
    assert!(matches!(fault("<a>&amp</a>"), Fault::Syntax(_)));
    assert!(matches!(fault("<a>a & b</a>"), Fault::Syntax(_)));
}

#[test]
fn what_is_no_whole_document_is_refused() {
    assert_eq!(fault(""), Fault::Empty);
    assert_eq!(fault(" \n<!-- nothing -->"), Fault::Empty);
    assert_eq!(fault("<a><b/>"), Fault::Unclosed("{}a".into()));
    assert_eq!(fault("<a/><b/>"), Fault::Misplaced("a second root element"));
    for outside in ["x<a/>", "<a/>x", "<a/>&amp;", "<a/><![CDATA[ ]]>", "<![CDATA[x]]><a/>"] {
        assert_eq!(fault(outside), Fault::Misplaced("text outside the root element"), "{outside}");
    }
    for broken in ["<a></b>", "</a>", "<a", "<a><!-- -- --></a>", "<a><![CDATA[</a>", "<a b=\"></a>"] {
        assert!(matches!(fault(broken), Fault::Syntax(_)), "{broken}");
    }
    assert_eq!(fault("<a>]]></a>"), Fault::Misplaced("]]>"));
    assert_eq!(fault(" <?xml version='1.0'?><a/>"), Fault::Misplaced("an XML declaration"));
    assert_eq!(fault("<a><?XML x?></a>"), Fault::Misplaced("an XML declaration"));
    assert_eq!(
        fault("<?xml version='1.0' encoding='ISO-8859-1'?><a/>"),
        Fault::Encoding("ISO-8859-1".into())
    );
    assert!(matches!(fault("<?xml version='2.0'?><a/>"), Fault::Syntax(_)));
}

#[test]
fn forbidden_characters_are_refused_however_they_are_written() {
    assert_eq!(fault("<a>\u{8}</a>"), Fault::Character(8));
    assert_eq!(fault("<a>&#8;</a>"), Fault::Character(8));
    assert_eq!(fault("<a>&#xFFFF;</a>"), Fault::Character(0xffff));
    assert_eq!(fault("<a b='&#8;'/>"), Fault::Character(8));
    assert!(matches!(fault("<a>&#0;</a>"), Fault::Entity(_)));
}

#[test]
fn names_and_namespaces_follow_their_grammar() {
    assert_eq!(fault("<x:a/>"), Fault::Prefix("x".into()));
    assert_eq!(fault("<a x:b='1'/>"), Fault::Prefix("x".into()));
    assert_eq!(fault("<x:a xmlns:x=''/>"), Fault::Declaration("x".into()));
    assert_eq!(fault("<a xmlns:xml='urn:x'/>"), Fault::Declaration("xml".into()));
    assert_eq!(fault("<a xmlns:xmlns='urn:x'/>"), Fault::Declaration("xmlns".into()));
    assert_eq!(fault("<a xmlns='http://www.w3.org/2000/xmlns/'/>"), Fault::Declaration(String::new()));
    for bad in ["1a", "a$", "a:b:c", ":a", "a:", "-a"] {
        assert!(matches!(fault(&format!("<{bad} xmlns:a='urn:a'/>")), Fault::Name(_)), "{bad}");
        assert!(matches!(fault(&format!("<q {bad}='' xmlns:a='urn:a'/>")), Fault::Name(_)), "{bad}");
    }
    for bad in ["a='1' a='2'", "a='1'b='2'", "a=1", "a", "a='<'", "x:a='' y:a='' xmlns:x='u' xmlns:y='u'"] {
        assert!(matches!(fault(&format!("<q {bad}/>")), Fault::Attribute(_)), "{bad}");
    }
}

#[test]
fn a_namespace_written_with_references_is_the_same_namespace() {
    assert!(parse(b"<a xmlns='DA&#86;:'/>").unwrap().is(Name::dav("a")));
    assert!(!parse(b"<Z:getetag xmlns:Z='evil'/>").unwrap().is(Name::dav("getetag")));
}

#[test]
fn depth_elements_attributes_and_bindings_are_bounded() {
    let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    assert!(parse(nested(64).as_bytes()).is_ok());
    assert_eq!(fault(&nested(65)), Fault::TooMany("levels of elements"));
    assert_eq!(fault(&format!("<a>{}</a>", "<b/>".repeat(200_000))), Fault::TooMany("elements"));
    let many = |count: usize, name: &str| {
        (0..count).fold(String::new(), |all, i| all + " " + name + &i.to_string() + "='u'")
    };
    assert!(parse(format!("<a{}/>", many(64, "b")).as_bytes()).is_ok());
    assert_eq!(fault(&format!("<a{}/>", many(65, "b"))), Fault::TooMany("attributes"));
    let bind = many(50, "xmlns:p");
    assert_eq!(
        fault(&format!("<a{bind}><b{bind}><c{bind}/></b></a>")),
        Fault::TooMany("namespace declarations")
    );
}

#[test]
fn other_encodings_are_refused() {
    let utf16: Vec<u8> = "<a/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(matches!(parse(&utf16).unwrap_err().fault, Fault::Character(0)));
    assert_eq!(parse(b"<a>\xe9</a>").unwrap_err().fault, Fault::NotUtf8);
    let marked = |text: &str| -> Vec<u8> {
        "\u{feff}"
            .chars()
            .chain(text.chars())
            .collect::<String>()
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect()
    };
    assert!(parse(&marked("<?xml version='1.0' encoding='UTF-16'?><a/>")).is_ok());
    let named = parse(&marked("<?xml version='1.0' encoding='UTF-8'?><a/>")).unwrap_err().fault;
    assert_eq!(named, Fault::Encoding("UTF-8".to_owned()));
    let named = parse(b"<?xml version='1.0' encoding='UTF-16'?><a/>").unwrap_err().fault;
    assert_eq!(named, Fault::Encoding("UTF-16".to_owned()));
}

/// The fragment of the first element in the first element of `body`.
fn fragment(body: &str) -> String {
    let root = parse(body.as_bytes()).expect("well-formed");
    root.children().next().expect("one child").fragment()
}

#[test]
fn a_dead_property_is_kept_word_for_word() {
    let value = "<Z:v xmlns:Z=\"urn:z\" Z:a = '1'> mixed <!-- kept -->&lt;<![CDATA[<&>]]><b/> \u{fc}<?pi data?></Z:v >";
    assert_eq!(fragment(&format!("<p>{value}</p>")), value);
}

#[test]
fn a_fragment_declares_what_it_inherits_and_nothing_else() {
    let root = "<D:p xmlns:D='DAV:' xmlns:Z='urn:z&amp;' xmlns:unused='urn:u' xmlns='urn:default'>";
    assert_eq!(fragment(&format!("{root}<Z:v/></D:p>")), "<Z:v xmlns:Z=\"urn:z&amp;\"/>");
    assert_eq!(fragment(&format!("{root}<v>x</v></D:p>")), "<v xmlns=\"urn:default\">x</v>");
    assert_eq!(fragment(&format!("{root}<v xmlns=''/></D:p>")), "<v xmlns=''/>");
    assert_eq!(
        fragment(&format!("{root}<v xmlns:Z='urn:own' xmlns='' Z:q='D:x'/></D:p>")),
        "<v xmlns:D=\"DAV:\" xmlns:Z='urn:own' xmlns='' Z:q='D:x'/>"
    );
    assert_eq!(fragment("<p xmlns='urn:p'><v xmlns=''><w/></v></p>"), "<v xmlns=''><w/></v>");
}

#[test]
fn a_fragment_takes_its_language_along() {
    assert_eq!(fragment("<p xml:lang='de'><v>x</v></p>"), "<v xml:lang=\"de\">x</v>");
    assert_eq!(fragment("<p xml:lang='de'><v xml:lang='fr'/></p>"), "<v xml:lang='fr'/>");
    assert_eq!(fragment("<p xml:lang='de'><v xml:lang=''/></p>"), "<v xml:lang=''/>");
}

#[test]
fn a_fragment_inside_an_answer_means_what_it_meant() {
    let root = parse(
        "<p xmlns='urn:p' xmlns:D='urn:not-dav' xml:lang='de'><D:v><w a='1'>x</w></D:v></p>".as_bytes(),
    )
    .unwrap();
    let mut w = Writer::new(Name::dav("multistatus"));
    let before = root.children().next().unwrap();
    w.raw(&before.fragment());
    let answer = parse(&w.finish()).unwrap();
    let after = answer.children().next().unwrap();
    assert_eq!(shape(after), shape(before));
    assert_eq!(after.lang(), Some("de"));
}

/// What an element says, whatever its prefixes.
#[derive(Clone, Debug, PartialEq)]
struct Shape {
    name: QName,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Shape>,
}

fn shape(element: &Element) -> Shape {
    Shape {
        name: element.name().clone(),
        attributes: element.attributes().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
        text: element.text().to_owned(),
        children: element.children().map(shape).collect(),
    }
}

const NAMES: [Name; 4] =
    [Name::dav("prop"), Name::cal("comp"), Name::cs("getctag"), Name::apple("calendar-color")];

fn write(w: &mut Writer, shape: &Shape) {
    let name = NAMES.into_iter().find(|n| shape.name == *n).expect("made of these names");
    let attributes: Vec<(&str, &str)> =
        shape.attributes.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    w.open_with(name, &attributes);
    w.text(&shape.text);
    shape.children.iter().for_each(|child| write(w, child));
    w.close(name);
}

fn allowed(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')).collect()
}

fn shapes() -> impl Strategy<Value = Shape> {
    let leaf = (0..NAMES.len(), proptest::option::of(any::<String>()), any::<String>()).prop_map(
        |(name, value, text)| Shape {
            name: NAMES[name].into(),
            attributes: value.into_iter().map(|v| ("a".to_owned(), allowed(&v))).collect(),
            text: allowed(&text),
            children: Vec::new(),
        },
    );
    leaf.prop_recursive(5, 40, 6, |inner| {
        (inner.clone(), proptest::collection::vec(inner, 0..6))
            .prop_map(|(shape, children)| Shape { children, ..shape })
    })
}

/// Octets that look enough like XML to reach every corner of the reader.
fn almost_xml() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        proptest::sample::select(vec![
            "<a>",
            "</a>",
            "<a/>",
            "<a b='",
            "'",
            "\"",
            ">",
            "/>",
            "<",
            "&",
            ";",
            "&#",
            "&#x41;",
            "&amp;",
            "]]>",
            "<![CDATA[",
            "<!--",
            "-->",
            "--",
            "<?",
            "?>",
            "<?xml version='1.0'?>",
            "<!DOCTYPE",
            " xmlns:x='u'",
            " xmlns=''",
            "<x:a",
            "=",
            " xml:lang='de'",
            "\r\n",
            "\u{feff}",
            "\u{1}",
            "\u{fc}",
        ])
        .prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
        Just(String::from("<p xmlns:x='u' xml:lang='de'>")),
    ];
    proptest::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat())
}

/// Every element of the tree, and its fragment, can be read again as the same thing.
fn fragments_hold(element: &Element) -> Result<(), proptest::test_runner::TestCaseError> {
    let text = element.fragment();
    let again = parse(text.as_bytes());
    prop_assert!(again.is_ok(), "{text}: {again:?}");
    prop_assert_eq!(shape(&again.expect("just said")), shape(element));
    element.children().try_for_each(fragments_hold)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(tree in shapes()) {
        let mut w = Writer::new(Name::dav("multistatus"));
        write(&mut w, &tree);
        let body = w.finish();
        let root = parse(&body).expect("the writer writes XML");
        prop_assert_eq!(shape(root.children().next().expect("one child")), tree);
        fragments_hold(&root)?;
    }

    #[test]
    fn any_text_becomes_a_document(text in any::<String>()) {
        let mut w = Writer::new(Name::dav("multistatus"));
        w.element(Name::dav("href"), &text);
        let body = w.finish();
        let root = parse(&body).expect("the writer writes XML");
        prop_assert_eq!(root.child(Name::dav("href")).expect("written").text(), allowed(&text));
    }

    #[test]
    fn no_octets_make_the_reader_panic(octets in proptest::collection::vec(any::<u8>(), 0..256)) {
        let _ = parse(&octets);
    }

    #[test]
    fn what_is_let_in_can_be_sent_out_again(text in almost_xml()) {
        if let Ok(root) = parse(text.as_bytes()) {
            fragments_hold(&root)?;
        }
    }
}

#[test]
fn the_server_declares_each_prefix_once() {
    let prefixes: std::collections::BTreeSet<_> = Ns::ALL.into_iter().map(Ns::prefix).collect();
    assert_eq!(prefixes.len(), Ns::ALL.len());
}
