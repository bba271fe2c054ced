use proptest::prelude::*;

use super::*;

fn block(at: usize, text: &str, signature: Option<&str>, redacted: bool, origin: Dialect) -> Block {
    let part = ReasoningPart { text: text.to_owned(), signature: signature.map(str::to_owned), redacted, origin };
    Block { at, part }
}

fn any_carried() -> impl Strategy<Value = Carried> {
    let signature = || proptest::option::of(prop_oneof!["[A-Za-z0-9+/]{0,40}={0,2}", "\\PC{0,20}"]);
    let origin = prop_oneof![Just(Dialect::AnthropicMessages), Just(Dialect::Gemini), Just(Dialect::OpenAiChat)];
    let one = (0usize..5000, "\\PC{0,30}", signature(), any::<bool>(), origin)
        .prop_map(|(at, text, signature, redacted, origin)| block(at, &text, signature.as_deref(), redacted, origin));
    ("\\PC{0,12}", proptest::collection::vec(one, 0..4), signature()).prop_map(|(by, blocks, call)| Carried {
        by,
        blocks,
        call,
    })
}

proptest! {
    #[test]
    fn what_is_carried_comes_back_as_it_was(carried in any_carried()) {
        prop_assert_eq!(Carried::from_text(&carried.to_text()), Some(carried.clone()));
        let (id, whole) = carried.clone().behind("call_1");
        prop_assert!(whole);
        prop_assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
        let opened = open_id(&id);
        prop_assert_eq!(opened.id, "call_1");
        prop_assert_eq!(opened.carried, Some(carried).filter(|carried| !carried.is_empty()));
    }

    #[test]
    fn a_cut_package_is_noticed_and_its_id_survives(carried in any_carried(), keep in 0usize..400) {
        let (id, _) = carried.behind("call_1");
        let cut = id.get(..keep.max("call_1__signalbox_".len())).unwrap_or(&id);
        prop_assert_eq!(open_id(cut).id, "call_1");
        if cut.len() < id.len() {
            prop_assert_eq!(open_id(cut).carried, None);
        }
    }

    #[test]
    fn no_bytes_lead_the_reader_astray(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = Carried::from_bytes(&bytes);
        let mut sealed = Writer::default();
        for byte in bytes {
            sealed.byte(byte);
        }
        let _ = Carried::from_bytes(&sealed.sealed());
    }
}

#[test]
fn a_package_that_is_too_long_keeps_the_signature_that_the_call_needs() {
    let long = "t".repeat(LONGEST_IN_ID);
    let blocks = vec![block(0, &long, Some("EqEE"), false, Dialect::AnthropicMessages)];
    let both = Carried { by: "p/m".to_owned(), blocks: blocks.clone(), call: Some("Q2lN".to_owned()) };
    let (id, whole) = both.behind("c");
    assert!(!whole);
    assert_eq!(open_id(&id).carried.unwrap().call.as_deref(), Some("Q2lN"));
    let (id, whole) = Carried { by: "p/m".to_owned(), blocks, call: None }.behind("c");
    assert_eq!((id.as_str(), whole), ("c", false));
}

#[test]
fn base64_is_carried_as_what_it_encodes() {
    let signature = "A".repeat(4000);
    let carried = Carried { by: String::new(), blocks: Vec::new(), call: Some(signature) };
    assert!(carried.to_text().len() < 4040);
}

#[test]
fn packages_are_weighed_and_the_last_ones_maker_is_found() {
    let package = |by: &str| Carried { by: by.to_owned(), blocks: Vec::new(), call: Some("Q2lN".to_owned()) };
    let (one, _) = package("a/x").behind("c1");
    let (two, _) = package("b/y").behind("c2");
    let body = format!(r#"[{{"id":"{one}"}},{{"id":"{two}"}}]"#);
    assert_eq!(weight(body.as_bytes()), (one.len() + two.len() - 4) as u64);
    let read = |rest: &[u8]| {
        let text = run(rest.get(ID_MARK.len()..)?);
        Carried::from_text(std::str::from_utf8(text).ok()?)
    };
    assert_eq!(last_maker(body.as_bytes(), ID_MARK, read).as_deref(), Some("b/y"));
    assert_eq!(last_maker(b"[]", ID_MARK, read), None);
}
