use super::*;

/// Keys in no order, some of them again: enough for several cycles and for the sort's long way.
fn scrambled(len: u64) -> Vec<(u64, u64)> {
    (0..len).map(|at| (at * 7_919 % 1_009 % (len * 3 / 4).max(1), at)).collect()
}

#[test]
fn a_map_is_what_a_tree_would_be() {
    for len in [0, 1, 2, 3, 20, 21, 400, 2_000] {
        let tree: std::collections::BTreeMap<u64, u64> = scrambled(len).into_iter().collect();
        let map: Map<u64, u64> = scrambled(len).into_iter().collect();
        assert!(map.iter().eq(&tree), "{len}");
        let mut one_by_one = Map::new();
        for (key, value) in scrambled(len) {
            let known = one_by_one.get(&key).copied();
            assert_eq!(one_by_one.insert(key, value), known);
        }
        assert_eq!(one_by_one, map);
    }
}

#[test]
fn of_repeated_keys_the_last_one_holds() {
    let text = r#"{"b":1,"a":2,"b":3,"c":4,"a":5}"#;
    let map: Map<String, u64> = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&map).unwrap(), r#"{"a":5,"b":3,"c":4}"#);
    let mut more = Map::from([("a", 1), ("c", 2)]);
    more.extend([("b", 3), ("a", 4)]);
    assert_eq!(more, Map::from([("a", 4), ("b", 3), ("c", 2)]));
}

#[test]
fn a_place_is_made_where_there_was_none() {
    let mut map = Map::from([(1, "a".to_owned()), (3, "c".to_owned())]);
    map.entry(2).or_default().push('b');
    map.entry(3).or_insert_with(|| unreachable!()).push('!');
    assert_eq!(map.remove(&1), Some("a".to_owned()));
    assert_eq!(map.remove(&1), None);
    assert_eq!(map, Map::from([(2, "b".to_owned()), (3, "c!".to_owned())]));
}

#[test]
fn a_map_is_read_and_cut_from_a_key_on() {
    let mut map = Map::from([(1, 'a'), (3, 'c'), (5, 'e')]);
    let keys = |map: &Map<u64, char>, first| map.starting_at(&first).map(|(key, _)| *key).collect::<Vec<_>>();
    assert_eq!((keys(&map, 3), keys(&map, 4), keys(&map, 9)), (vec![3, 5], vec![5], vec![]));
    map.forget_before(&2);
    map.forget_first();
    assert_eq!(map, Map::from([(5, 'e')]));
    map.forget_first();
    map.forget_first();
    assert!(map.is_empty());
}

#[test]
fn a_set_holds_each_thing_once() {
    let mut set: Set<&str> = ["b", "a", "b"].into_iter().collect();
    assert!(set.insert("c") && !set.insert("a") && set.contains("b") && set.remove("b") && !set.remove("b"));
    assert_eq!(set.into_iter().collect::<Vec<_>>(), ["a", "c"]);
}

#[test]
fn sorting_keeps_the_order_of_equals() {
    for len in [0, 1, 2, 20, 21, 400, 2_000] {
        let (mut ours, mut theirs) = (scrambled(len), scrambled(len));
        sort_by_key(&mut ours, |(key, _)| key % 10);
        theirs.sort_by_key(|(key, _)| key % 10);
        assert_eq!(ours, theirs, "{len}");
        let mut by_cached = scrambled(len);
        sort_by_cached_key(&mut by_cached, |(key, _)| key % 10);
        assert_eq!(by_cached, theirs, "{len}");
    }
}
