//! Extractors of single fields, for `#[session(extract)]`.

/// Makes the extractor of a field. Without the feature `axum` there is another macro of this name, which makes nothing.
#[doc(hidden)]
#[macro_export]
macro_rules! __extractor {
    ($(#[$attr:meta])* required $vis:vis struct $name:ident($ty:ty) of $session:ident . $field:ident;) => {
        $crate::__extractor!(@newtype $(#[$attr])* $vis struct $name($ty));

        #[automatically_derived]
        #[allow(deprecated, reason = "the struct was looked at where it was written")]
        impl<__App: ::core::marker::Send + ::core::marker::Sync> $crate::__private::extract::FromRequestParts<__App>
            for $name
        {
            type Rejection = $crate::SessionRejection;

            async fn from_request_parts(
                parts: &mut $crate::__private::http::request::Parts,
                _: &__App,
            ) -> ::core::result::Result<Self, $crate::SessionRejection> {
                let session = $crate::Session::<$session>::from_parts(parts).await?;
                ::core::result::Result::Ok(Self(::core::clone::Clone::clone(&session.$field)))
            }
        }
    };
    ($(#[$attr:meta])* optional $vis:vis struct $name:ident($ty:ty) of $session:ident . $field:ident;) => {
        $crate::__extractor!(@newtype $(#[$attr])* $vis struct $name($ty));

        #[automatically_derived]
        #[allow(deprecated, reason = "the struct was looked at where it was written")]
        impl<__App: ::core::marker::Send + ::core::marker::Sync> $crate::__private::extract::FromRequestParts<__App>
            for $name
        {
            type Rejection = $crate::SessionRejection;

            async fn from_request_parts(
                parts: &mut $crate::__private::http::request::Parts,
                _: &__App,
            ) -> ::core::result::Result<Self, $crate::SessionRejection> {
                let session = $crate::Session::<$session>::from_parts(parts).await?;
                let value = ::core::clone::Clone::clone(&session.$field);
                value.map(Self).ok_or($crate::SessionRejection::Uninitialized)
            }
        }

        #[automatically_derived]
        #[allow(deprecated, reason = "the struct was looked at where it was written")]
        impl<__App: ::core::marker::Send + ::core::marker::Sync> $crate::__private::extract::OptionalFromRequestParts<__App>
            for $name
        {
            type Rejection = $crate::SessionRejection;

            async fn from_request_parts(
                parts: &mut $crate::__private::http::request::Parts,
                _: &__App,
            ) -> ::core::result::Result<::core::option::Option<Self>, $crate::SessionRejection> {
                let session = $crate::Session::<$session>::from_parts(parts).await;
                let session = $crate::__private::unless_ended(session)?;
                let value = session.and_then(|session| ::core::clone::Clone::clone(&session.$field));
                ::core::result::Result::Ok(value.map(Self))
            }
        }
    };
    (@newtype $(#[$attr:meta])* $vis:vis struct $name:ident($ty:ty)) => {
        $(#[$attr])*
        #[derive(::core::clone::Clone)]
        #[allow(dead_code, reason = "an application may extract it and not look at it")]
        #[allow(deprecated, reason = "the struct was looked at where it was written")]
        $vis struct $name($vis $ty);

        #[automatically_derived]
        #[allow(deprecated, reason = "the struct was looked at where it was written")]
        impl ::core::ops::Deref for $name {
            type Target = $ty;

            fn deref(&self) -> &$ty {
                &self.0
            }
        }
    };
}
