//! Ids of every shape: 1 to 2048 bytes of UTF-8, each a session of its own.

use super::case::Checked;
use super::probe::Probe;
use super::sample::{HOUR, id, record, same_text, within};
use crate::id::SessionId;

cases! {
    "ids": [
        of_one_byte_are_told_apart,
        of_2048_bytes_are_told_apart_by_their_last,
        that_begin_alike_are_told_apart,
        that_differ_in_case_are_told_apart,
        that_differ_in_blanks_are_told_apart,
        that_differ_in_accents_are_told_apart,
        that_look_the_same_in_unicode_are_told_apart,
        that_look_like_numbers_are_told_apart,
        with_the_signs_of_patterns_are_no_patterns,
        with_the_signs_of_queries_and_paths_are_only_text,
        with_control_characters_are_kept,
        with_astral_characters_are_kept,
        with_a_nul_are_kept_or_refused_and_never_cut,
    ]
}

async fn of_one_byte_are_told_apart(store: Probe) -> Checked {
    are_told_apart(&store, ["a", "A", "0", "%", "*", "?", "_", " ", ":", "\\", "/", ".", "'"].map(String::from)).await
}

async fn of_2048_bytes_are_told_apart_by_their_last(store: Probe) -> Checked {
    // Random, so that no compression makes an index take what it can't take otherwise.
    let mut long = String::new();
    while long.len() < 2047 {
        long.push_str(id()?.as_str());
    }
    long.truncate(2047);
    are_told_apart(&store, [format!("{long}a"), format!("{long}b"), long.clone(), long[..255].to_owned()]).await?;
    let wide = "\u{1F36A}".repeat(511);
    are_told_apart(&store, [format!("{wide}abcd"), format!("{wide}abce"), wide]).await
}

async fn that_begin_alike_are_told_apart(store: Probe) -> Checked {
    let base = base()?;
    let longer = ["", "a", "aa", "-", ":a", ":a:b", ".", "/a"].map(|rest| format!("{base}{rest}"));
    are_told_apart(&store, longer).await
}

async fn that_differ_in_case_are_told_apart(store: Probe) -> Checked {
    let base = base()?;
    let variants = ["abcd", "ABCD", "Abcd", "ä", "Ä", "ß", "SS", "ss", "i", "I", "İ", "ı", "σ", "ς"];
    are_told_apart(&store, variants.map(|rest| format!("{base}-{rest}"))).await
}

async fn that_differ_in_blanks_are_told_apart(store: Probe) -> Checked {
    let base = base()?;
    let variants = ["", " ", "  ", "\t", "\n", "\r\n", "\u{a0}", "\u{2003}", "\u{200b}", "\u{feff}"];
    are_told_apart(&store, variants.map(|rest| format!("{base}{rest}"))).await?;
    are_told_apart(&store, variants[1..].iter().map(|start| format!("{start}{base}x"))).await
}

async fn that_differ_in_accents_are_told_apart(store: Probe) -> Checked {
    let base = base()?;
    are_told_apart(&store, ["e", "é", "è", "ê", "ё", "е", "o", "ø", "ö"].map(|rest| format!("{base}{rest}"))).await
}

/// Composed and decomposed, wide and narrow, with and without what is not shown.
async fn that_look_the_same_in_unicode_are_told_apart(store: Probe) -> Checked {
    let base = base()?;
    let variants = ["\u{e9}", "e\u{301}", "\u{212b}", "\u{c5}", "A\u{30a}", "ﬁ", "fi", "Ａ", "A", "\u{200d}", "\u{ad}"];
    are_told_apart(&store, variants.map(|rest| format!("{base}{rest}"))).await
}

async fn that_look_like_numbers_are_told_apart(store: Probe) -> Checked {
    let variants = ["1", "01", "1.0", "1e0", "+1", "0x1", "1 ", "-0", "0", "NaN", "null", "NULL", "true"];
    are_told_apart(&store, variants.map(String::from)).await?;
    let big = ["9007199254740992", "9007199254740993", "18446744073709551616", "18446744073709551617"];
    are_told_apart(&store, big.map(String::from)).await
}

async fn with_the_signs_of_patterns_are_no_patterns(store: Probe) -> Checked {
    let base = base()?;
    let patterns = ["*", "?", "[a-z]", "[^a]", "%", "_", "a%", "\\*", "\\%", "{a,b}", ".*", "^", "$", "a", "ab"];
    are_told_apart(&store, patterns.map(|rest| format!("{base}{rest}"))).await
}

async fn with_the_signs_of_queries_and_paths_are_only_text(store: Probe) -> Checked {
    let base = base()?;
    let texts = [
        "'",
        "''",
        "\"",
        "`",
        "\\",
        "\\'",
        "';--",
        "' OR '1'='1",
        "'; DELETE FROM session; --",
        "$1",
        ":id",
        "?1",
        "@id",
        "{tag}",
        "{}",
        "{tag}{other}",
        "/../../x",
        "..",
        "a/b",
        "a\\b",
        "a:b",
        "a;b",
        "a=b&c",
        "%2e%2f",
        "%00",
        "%s%n",
        "<a>",
        "\r\nDEL *\r\n",
        "--",
        "-x",
        "#",
        "~",
    ];
    are_told_apart(&store, texts.map(|rest| format!("{base}{rest}"))).await?;
    are_told_apart(&store, texts.map(|start| format!("{start}{base}"))).await
}

async fn with_control_characters_are_kept(store: Probe) -> Checked {
    let base = base()?;
    let controls = ('\u{1}'..='\u{1f}').chain('\u{7f}'..='\u{9f}');
    are_told_apart(&store, controls.map(|control| format!("{base}{control}x"))).await
}

async fn with_astral_characters_are_kept(store: Probe) -> Checked {
    let base = base()?;
    let variants = ["\u{1F36A}", "\u{1F36B}", "\u{10FFFF}", "\u{FFFF}", "\u{FFFD}", "\u{10000}", "?", "??", "????"];
    are_told_apart(&store, variants.map(|rest| format!("{base}{rest}"))).await
}

async fn with_a_nul_are_kept_or_refused_and_never_cut(store: Probe) -> Checked {
    let base = base()?;
    let (cut, whole) = (SessionId::new(&base)?, SessionId::new(format!("{base}\0rest"))?);
    let created = store.create(&whole, &record(1), within(HOUR)).await;
    store.is_none(&cut).await?;
    if created.is_ok() {
        same_text(&store.living(&whole).await?, &record(1))?;
        store.destroy(&cut).await?;
        same_text(&store.living(&whole).await?, &record(1))?;
        store.destroy(&whole).await?;
    }
    store.stored(&cut, &record(2), within(HOUR)).await?;
    if let Ok(found) = store.load(&whole).await {
        ensure!(found.is_none(), "an id is cut at a NUL");
    }
    Ok(())
}

fn base() -> Checked<String> {
    Ok(id()?.as_str().to_owned())
}

/// Each id has a record of its own, is listed as it is, and goes alone.
async fn are_told_apart(store: &Probe, texts: impl IntoIterator<Item = String>) -> Checked {
    let ids = texts.into_iter().map(SessionId::new).collect::<Result<Vec<_>, _>>()?;
    for id in &ids {
        store.destroy(id).await?;
    }
    let mut numbered = (0..).zip(&ids);
    for (number, id) in numbered.by_ref() {
        let created = store.stored(id, &record(number), within(HOUR)).await;
        ensure!(created.is_ok(), "{:?}: {}", id.as_str(), created.err().map_or(String::new(), |why| why.to_string()));
    }
    let listed = store.listed(None, 3).await?;
    for (number, id) in (0..).zip(&ids) {
        let found = store.load(id).await?;
        let is_own = found.is_some_and(|found| found.record.json() == record(number).json());
        ensure!(is_own, "{:?} does not have its own record", id.as_str());
        let is_listed = listed.get(id).is_some_and(|found| found.record.json() == record(number).json());
        ensure!(is_listed, "{:?} is not listed", id.as_str());
    }
    for (number, id) in ids.iter().enumerate() {
        store.destroy(id).await?;
        ensure!(store.load(id).await?.is_none(), "{:?} is not destroyed", id.as_str());
        if let Some(next) = ids.get(number + 1) {
            let is_left = store.load(next).await?.is_some();
            ensure!(is_left, "{:?} is destroyed in place of {:?}", next.as_str(), id.as_str());
        }
    }
    Ok(())
}
