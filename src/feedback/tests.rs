use super::*;
use crate::hex::hex;
use crate::identity::hmac::hmac_sha256;

fn about() -> About {
    About { at_ms: 1_000, policy: "balanced".into(), task: "code".into(), model: "openai/gpt-5".into() }
}

fn sign(key: &'static str) -> impl Fn(&[&str]) -> String {
    move |names| hex(&hmac_sha256(key.as_bytes(), names.join("\n").as_bytes()))
}

#[test]
fn a_receipt_holds_for_its_principal_its_request_its_day_and_this_installation_alone() {
    let receipt = about().receipt("me", "r1", sign("k"));
    assert_eq!(About::of_receipt(&receipt, "me", "r1", 2_000, sign("k")), Some(about()));
    assert_eq!(About::of_receipt(&receipt, "you", "r1", 2_000, sign("k")), None);
    assert_eq!(About::of_receipt(&receipt, "me", "r2", 2_000, sign("k")), None);
    assert_eq!(About::of_receipt(&receipt, "me", "r1", 2_000, sign("another")), None);
    assert_eq!(About::of_receipt(&receipt, "me", "r1", 1_000 + RECEIPT_MS, sign("k")), None);
    let other = About { model: "openai/gpt-4".into(), ..about() }.receipt("me", "r1", sign("k"));
    let (_, signature) = receipt.split_once('.').unwrap();
    let (told, _) = other.split_once('.').unwrap();
    assert_eq!(About::of_receipt(&format!("{told}.{signature}"), "me", "r1", 2_000, sign("k")), None);
    assert_eq!(About::of_receipt("nonsense", "me", "r1", 2_000, sign("k")), None);
}

#[test]
fn a_correction_grows_with_agreement_and_never_passes_its_bound() {
    let most = 50_000;
    let praise = |count: u64| correction_micro(count, count * 1_000_000, most);
    assert_eq!(praise(0), 0);
    assert!(0 < praise(1) && praise(1) < praise(10) && praise(10) < praise(1_000));
    for count in [1, 20, 1_000, 1_000_000, u64::MAX / 2_000_000] {
        assert!(praise(count) <= most && correction_micro(count, 0, most) >= -most, "{count}");
        assert_eq!(correction_micro(count, 0, most), -praise(count), "blame weighs as much as praise");
        assert_eq!(correction_micro(count * 2, count * 1_000_000, most), 0, "the middle moves nothing");
    }
    assert_eq!(correction_micro(3, u64::MAX, most), praise(3), "sums that cannot be right are cut");
}

#[test]
fn the_same_sums_are_the_same_version_and_other_sums_another() {
    let settings = Feedback { max_correction_micro: 50_000, per_principal_per_day: 20 };
    let read = |sums: &str, settings| Learned::read(sums, settings).unwrap().of("balanced", "code").unwrap();
    let sums = r#"[["balanced","code","openai/gpt-5",10,9000000],["balanced","chat","openai/gpt-5",10,5000000]]"#;
    let corrections = read(sums, settings);
    assert_eq!(corrections.by_model.keys().collect::<Vec<_>>(), ["openai/gpt-5"]);
    assert_eq!(read(sums, settings), corrections);
    assert_ne!(read(&sums.replace("9000000", "8000000"), settings).version, corrections.version);
    assert_ne!(read(sums, Feedback { max_correction_micro: 40_000, ..settings }).version, corrections.version);
    assert_eq!(Learned::read(sums, settings).unwrap().of("balanced", "chat"), None, "nothing to correct");
    assert_eq!(Learned::read("{}", settings), None);
}
