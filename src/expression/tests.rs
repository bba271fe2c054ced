use super::*;
use Kind::{Many, One};
use Scalar::{Bool, Double, Int, Text};

const SCOPE: Scope = &[
    (
        "model",
        &[
            always("name", One(Text)),
            perhaps("region", One(Text)),
            always("price", One(Double)),
            always("big", One(Bool)),
        ],
    ),
    ("request", &[always("tokens", One(Int)), perhaps("most", One(Int)), always("groups", Many(Text, 8))]),
];

struct World;

impl Facts for World {
    fn fact(&self, name: &str) -> Option<Fact<'_>> {
        Some(match name {
            "model.name" => Fact::Text("acme/big"),
            "model.region" => Fact::Text("eu"),
            "model.price" => Fact::Double(0.25),
            "model.big" => Fact::Bool(true),
            "request.tokens" => Fact::Int(1_000),
            "request.groups" => Fact::Texts(vec!["staff", "eu-west"]),
            _ => return None,
        })
    }
}

fn read(source: &str) -> Result<Expression, String> {
    Expression::read(source, SCOPE, 1_000)
}

fn holds(source: &str) -> Result<bool, Unknown> {
    read(source).unwrap_or_else(|why| panic!("{source}: {why}")).holds(&World)
}

#[test]
fn what_is_said_of_members_is_answered() {
    for (source, answer) in [
        ("true", true),
        ("model.region == 'eu' && model.name.startsWith('acme/')", true),
        ("model.region in ['us', 'ch']", false),
        ("'staff' in request.groups", true),
        ("request.groups.exists(g, g.startsWith('eu-') && model.big)", true),
        ("request.groups.all(g, size(g) > 5)", false),
        ("request.groups.exists_one(g, g.contains('-'))", true),
        ("request.tokens * 2 + 1 == 2001 && request.tokens % 7 == 6 && -request.tokens < 0", true),
        ("model.price * 4.0 >= 1 && double(request.tokens) / 3.0 > 333.3 && int(model.price) == 0", true),
        ("model.big ? request.tokens > 10 : request.tokens < 10", true),
        ("has(model.region) && !has(request.most)", true),
        ("has(request.most) && request.most > 5", false),
        ("request.groups.size() == 2 && 'a' < 'b' && !(1 > 2)", true),
        ("[1, 2, 3].exists(n, n == request.tokens)", false),
        ("'\\u00e9' == 'e'", false),
    ] {
        assert_eq!(holds(source), Ok(answer), "{source}");
    }
}

#[test]
fn what_is_not_known_has_no_answer_rather_than_a_wrong_one() {
    for source in [
        "request.most > 5",
        "!(request.most > 5)",
        "request.tokens / 0 == 1",
        "9223372036854775807 + request.tokens > 0",
    ] {
        assert_eq!(holds(source), Err(Unknown), "{source}");
    }
    assert_eq!(holds("request.most > 5 || true"), Ok(true), "what does not depend on it has");
}

#[test]
fn names_types_and_forms_that_are_not_there_are_refused_by_name() {
    for (source, told) in [
        ("model.regoin == 'eu'", "model.regoin: no such member; known: name, region, price, big"),
        ("modl.region == 'eu'", "modl: no such variable here; known: model, request"),
        ("has(model.regoin)", "model.regoin: no such member"),
        ("model == 'x'", "model: name one of its members"),
        ("now() > 5", "now: not possible"),
        ("model.name.matches('a+')", "matches: not possible"),
        ("model.name", "must be a condition"),
        ("model.region == 5", "==: not possible with string and int"),
        ("model.price + 1 > 2.0", "+: not possible with double and int"),
        ("model.name + 'x' == 'y'", "+: not possible"),
        ("request.groups == request.groups", "==: not possible"),
        ("model.big && model.name", "&&: not possible with bool and string"),
        ("request.groups[0] == 'a'", "[ ]: not possible"),
        ("request.groups.map(g, g + 'x').size() > 1", "of the macros there are"),
        ("request.groups.exists(g, request.groups.exists(h, g == h))", "an iteration within another"),
        ("request.groups.exists(model, model == 'x')", "the name is taken"),
        ("request.groups.exists(g, size(g))", "not possible"),
        ("{'a': 1} == {'a': 1}", "maps"),
        ("[] == []", "at least one value"),
        ("[1, 'a'].exists(x, true)", "one type"),
        ("b'x' == b'y'", "literals are"),
        ("null == null", "literals are"),
        ("1u < 2u", "literals are"),
        ("model.name.big", "only variables have members"),
        ("model{name: 'x'} == 1", ""),
        ("g == 1", "no such variable"),
        (".model.big", "no such variable"),
        ("model.`big`", ""),
        ("model.?big", ""),
        ("model.big &&", "line 1, column"),
        ("'é' == 'e'", "ASCII"),
        ("", ""),
        ("/* no */ true", ""),
        ("--------- 1 == 1", "signs"),
    ] {
        let why = read(source).err().unwrap_or_else(|| panic!("{source} was taken"));
        assert!(why.contains(told), "{source}: {why}");
    }
}

#[test]
fn the_steps_of_an_evaluation_are_bounded_before_it_begins() {
    let long = format!("request.groups.exists(g, {})", ["g == 'a'"; 40].join(" || "));
    assert!(Expression::read(&long, SCOPE, 2_000).is_ok());
    assert!(Expression::read(&long, SCOPE, 900).unwrap_err().contains("steps"));
    assert!(read(&" ".repeat(MOST_BYTES + 1)).unwrap_err().contains("bytes"));
}

/// The text of a document cannot use up the stack: half of an isolate's is enough, even with a debug build's large frames.
#[test]
fn the_longest_chains_and_deepest_nests_fit_a_small_stack() {
    let nests =
        ["(", "[", "!(", "-(", "{", "a(", "a[", "a.b(", "a?", "a?b:", "a.all(x,", "a.all(x,(", "[a,", "!-", "a{b:"];
    let chains =
        ["a.", "a+", "1+", "a[0]+", "a&&", "a||", "a==", "a?b:", "a.b().", "-1-", "!a||", "a in ", ".a", "[0]", ".?a"];
    let sources: Vec<String> =
        nests.iter().chain(&chains).map(|piece| piece.repeat(MOST_BYTES / piece.len())).collect();
    let closed = chains.iter().flat_map(|piece| {
        [format!("{}a", piece.repeat(900 / piece.len())), format!("a{}", piece.repeat(900 / piece.len()))]
    });
    let all: Vec<String> = sources.into_iter().chain(closed).collect();
    let reads = move || all.iter().filter(|source| read(source).is_ok()).count();
    let small = std::thread::Builder::new().stack_size(512 * 1024).spawn(reads);
    small.unwrap().join().unwrap();
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_makes_reading_or_evaluating_panic(picks in proptest::collection::vec(0_usize..PIECES.len(), 1..20)) {
        let source: String = picks.iter().filter_map(|at| PIECES.get(*at)).copied().collect();
        if let Ok(expression) = read(&source) {
            let _ = expression.holds(&World);
        }
    }
}

const PIECES: [&str; 58] = [
    "model",
    ".name",
    ".region",
    ".price",
    ".big",
    "request",
    ".tokens",
    ".most",
    ".groups",
    "model.big",
    "request.tokens",
    "request.groups",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    "?",
    ":",
    "!",
    "-",
    "+",
    "*",
    "/",
    "%",
    "==",
    "!=",
    "<",
    ">=",
    "&&",
    "||",
    " in ",
    "'eu'",
    "\"q",
    "1",
    "0",
    "1.5",
    "1e400",
    "-9223372036854775808",
    "9223372036854775807",
    "true",
    "b'x'",
    "r'\\'",
    "'\\u00e9'",
    "has(",
    ".exists(g,",
    ".all(g,",
    ".exists_one(g,",
    ".map(g,",
    "g",
    "size(",
    ".startsWith(",
    "int(",
    "double(",
    "//c\n",
    "@",
];
