//! Records of every shape: JSON texts, kept byte for byte.

use super::case::{Checked, Failure};
use super::probe::Probe;
use super::sample::{HOUR, id, within};
use crate::store::{Record, Renamed, Updated};

const MIB: usize = 1024 * 1024;

cases! {
    "texts": [
        of_two_bytes_are_kept,
        of_a_mebibyte_are_kept,
        of_every_magnitude_are_kept,
        in_unicode_are_kept,
        with_escapes_are_kept_as_they_are_written,
        with_blanks_and_line_ends_are_kept,
        keep_the_order_of_their_keys,
        keep_numbers_as_they_are_written,
        keep_fields_that_nobody_knows,
        with_the_signs_of_queries_are_only_text,
    ]
}

async fn of_two_bytes_are_kept(store: Probe) -> Checked {
    are_kept(&store, ["{}"]).await
}

async fn of_a_mebibyte_are_kept(store: Probe) -> Checked {
    are_kept(&store, [sized(MIB), sized(MIB - 1)]).await
}

/// The limits of columns, and of the lengths in protocols.
async fn of_every_magnitude_are_kept(store: Probe) -> Checked {
    let sizes = [255, 256, 4000, 4001, 16_383, 16_384, 65_535, 65_536];
    are_kept(&store, sizes.map(sized)).await
}

async fn in_unicode_are_kept(store: Probe) -> Checked {
    let texts = [
        "Grüße, 東京, עברית, नमस्ते",
        "\u{1F36A}\u{1F469}\u{200D}\u{1F680}",
        "e\u{301} \u{e9}",
        "\u{10FFFF}\u{FFFF}\u{FFFD}\u{FEFF}",
        "\u{7f}\u{80}\u{2028}\u{2029}\u{200b}",
    ];
    are_kept(&store, texts.map(|text| format!(r#"{{"cookie":{{}},"{text}":"{text}"}}"#))).await
}

async fn with_escapes_are_kept_as_they_are_written(store: Probe) -> Checked {
    are_kept(
        &store,
        [
            r#"{"cookie":{},"text":"\u0041\u00e9\ud83c\udf6a"}"#,
            r#"{"cookie":{},"text":"\/ \\ \" \b\f\n\r\t"}"#,
            r#"{"cookie":{},"text":"\u0000\u001f"}"#,
            r#"{"cookie":{},"text":"\uD83C\uDF6A\uABCD"}"#,
        ],
    )
    .await
}

async fn with_blanks_and_line_ends_are_kept(store: Probe) -> Checked {
    are_kept(
        &store,
        [
            "{ \"cookie\" : { } , \"views\" : [ 1 , 2 ] }",
            "{\n\t\"cookie\": {},\r\n\t\"views\": 1\n}",
            " {\"cookie\":{}} \n",
            "{\"cookie\":{},\"text\":\"  two blanks, and one at the end \"}",
        ],
    )
    .await
}

async fn keep_the_order_of_their_keys(store: Probe) -> Checked {
    are_kept(
        &store,
        [
            r#"{"zebra":1,"cookie":{"path":"/","httpOnly":true},"apple":2,"Zebra":3,"10":4,"9":5}"#,
            r#"{"cookie":{},"twice":1,"twice":2}"#,
        ],
    )
    .await
}

async fn keep_numbers_as_they_are_written(store: Probe) -> Checked {
    are_kept(&store, [r#"{"cookie":{},"n":[1.0,1,1e2,1E+2,-0,-0.0,0.10,12345678901234567890123,0.1e-7,1e300]}"#]).await
}

async fn keep_fields_that_nobody_knows(store: Probe) -> Checked {
    are_kept(
        &store,
        [
            concat!(
                r#"{"cookie":{"originalMaxAge":60000,"expires":"2020-01-01T00:00:00.000Z","secure":true,"extra":[]},"#,
                r#""$session":{"v":3,"created":1},"passport":{"user":null},"flash":{"":[[],{},"",false]}}"#
            ),
            r#"{"cookie":{},"id":1,"sid":"x","expires":0,"revision":1,"_id":null,"__proto__":{}}"#,
        ],
    )
    .await
}

async fn with_the_signs_of_queries_are_only_text(store: Probe) -> Checked {
    are_kept(
        &store,
        [
            r#"{"cookie":{},"text":"'; DELETE FROM session; -- ' OR 1=1"}"#,
            r#"{"cookie":{},"text":"$1 ?1 :id @id %s %n {} {tag} \\' \\\\ `x`"}"#,
        ],
    )
    .await
}

/// A record of so many bytes, which no compression makes much shorter.
fn sized(size: usize) -> String {
    let (start, end) = (r#"{"cookie":{},"text":""#, r#""}"#);
    let mut text = String::with_capacity(size);
    text.push_str(start);
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    while text.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.push_str(&format!("{state:016x}"));
    }
    text.truncate(size - end.len());
    text.push_str(end);
    text
}

/// A text comes back from every operation that hands out records as it was given to those that take one.
async fn are_kept<T: Into<String>>(store: &Probe, texts: impl IntoIterator<Item = T>) -> Checked {
    for text in texts {
        let text: String = text.into();
        let (stored, other) = (Record::from_json(text.clone()), Record::from_json(r#"{"cookie":{},"other":1}"#));
        let (one, two, expires) = (id()?, id()?, within(HOUR));
        let first = store.stored(&one, &stored, expires).await?;
        is_whole(&text, &store.living(&one).await?.record, "create")?;
        let second = store.replaced(&one, first, &other, expires).await?;
        let third = store.replaced(&one, second.clone(), &stored, expires).await?;
        is_whole(&text, &store.living(&one).await?.record, "update")?;
        match store.update(&one, second.clone(), &other, expires).await? {
            Updated::Conflict(current) => is_whole(&text, &current.record, "update's conflict")?,
            answer => return Err(Failure::new(format!("`update` against another revision answers {answer:?}"))),
        }
        match store.rename((&one, second), &two, &other, expires).await? {
            Renamed::Conflict(current) => is_whole(&text, &current.record, "rename's conflict")?,
            answer => return Err(Failure::new(format!("`rename` against another revision answers {answer:?}"))),
        }
        store.renamed((&one, third), &two, &stored, expires).await?;
        is_whole(&text, &store.living(&two).await?.record, "rename")?;
        store.touch(&two, expires).await?;
        is_whole(&text, &store.living(&two).await?.record, "touch")?;
        let listed = store.listed(None, 100).await?.remove(&two);
        let listed = listed.ok_or_else(|| Failure::new("a living session is not listed"))?;
        is_whole(&text, &listed.record, "all")?;
        store.destroy(&two).await?;
    }
    Ok(())
}

fn is_whole(text: &str, found: &Record, operation: &str) -> Checked {
    let (stored, found) = (text.as_bytes(), &found.json()[..]);
    if stored == found {
        return Ok(());
    }
    let same = stored.iter().zip(found).take_while(|(one, other)| one == other).count();
    Err(Failure::new(format!(
        "after `{operation}`, a text of {} bytes came back with {}, and differs from byte {same} on: {:?} and not {:?}",
        stored.len(),
        found.len(),
        around(found, same),
        around(stored, same)
    )))
}

fn around(text: &[u8], place: usize) -> String {
    let end = text.len().min(place + 30);
    String::from_utf8_lossy(text.get(place.saturating_sub(10)..end).unwrap_or_default()).into_owned()
}
