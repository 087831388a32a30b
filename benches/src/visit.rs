//! The session of all contestants: 384 bytes of JSON.

use serde::{Deserialize, Serialize};

/// What a shop might remember of a visitor.
#[derive(Clone, Debug, Default, Serialize, Deserialize, session::Session)]
pub struct Visit {
    /// Who is logged in.
    pub user_id: u64,
    /// The shop.
    pub tenant_id: u64,
    /// When the visitor logged in, in milliseconds since 1970.
    pub signed_in_at: u64,
    /// The field that `/write` changes.
    pub views: u64,
    /// The last order.
    pub last_order: u64,
    /// How many things lie in the cart.
    pub cart_items: u32,
    /// What they cost, in cents.
    pub cart_total: u64,
    /// Whether the visitor runs the shop.
    pub is_admin: bool,
    /// Against forged requests.
    pub csrf_token: String,
    /// Where the visitor wanted to go.
    pub return_to: String,
}

impl Visit {
    /// A visitor who has just logged in.
    #[must_use]
    pub fn signed_in(user_id: u64) -> Self {
        Self {
            user_id: 1_000_000 + user_id % 1_000_000,
            tenant_id: 4711,
            signed_in_at: 1_767_225_600_000,
            views: 100,
            last_order: 20_251_224_001,
            cart_items: 3,
            cart_total: 12_995,
            is_admin: false,
            csrf_token: "Zk3mD0q1yW8sT5vR2xN7pL4hJ6gF9cB1aE0uI3oY5tQ".to_owned(),
            return_to: "/orders/2025/12/24?sort=date&page=3&per_page=50&filter=open&view=compact&lang=en-GB&currency=EUR&from=newsletter&campaign=spring-sale-2026-03&ref=a1b2c3d4e5f"
                .to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Visit;

    #[test]
    fn a_visit_is_384_bytes_of_json() {
        assert_eq!(serde_json::to_string(&Visit::signed_in(7)).map(|json| json.len()).ok(), Some(384));
    }
}
