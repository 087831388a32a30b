//! Wrong use does not compile, and the compiler says what to write instead.

#[test]
fn wrong_use_is_explained() {
    let cases = trybuild::TestCases::new();
    for folder in ["derive", "extract", "states"] {
        cases.compile_fail(format!("{folder}/*.rs"));
    }
}
