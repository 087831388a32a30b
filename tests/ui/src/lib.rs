//! Wrong uses of the session crate stand in `derive`, `extract` and `states`, each with the compiler's words. A package of
//! its own, so that little is built beside them.
