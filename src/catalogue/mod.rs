//! What is known of models before they are called: what they accept, how good they are said to be, what they cost.
//! Data, not code: a compiled-in snapshot, overlaid by the operator's documents. Prices are refused or taken whole.

pub mod price;
