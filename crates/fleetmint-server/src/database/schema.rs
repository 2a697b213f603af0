//! The tables as the migrations create them. A test compares the two.

diesel::table! {
    instance (name) {
        name -> Text,
        value -> Binary,
    }
}

diesel::table! {
    device_models (id) {
        id -> BigInt,
        code -> Text,
        name -> Text,
        base_url -> Nullable<Text>,
        token_url -> Nullable<Text>,
        mqtt_url -> Nullable<Text>,
        wifi_ssid -> Nullable<Text>,
        wifi_password -> Nullable<Binary>,
        created_at -> BigInt,
        updated_at -> BigInt,
        mqtt_userinfo -> Nullable<Binary>,
        name_folded -> Text,
    }
}

diesel::table! {
    devices (id) {
        id -> BigInt,
        key -> Text,
        device_model_id -> BigInt,
        name -> Text,
        client_id -> Text,
        provider_ref -> Nullable<Text>,
        state -> Text,
        lease_owner -> Nullable<Text>,
        lease_until -> Nullable<BigInt>,
        base_url -> Nullable<Text>,
        token_url -> Nullable<Text>,
        mqtt_url -> Nullable<Text>,
        wifi_ssid -> Nullable<Text>,
        wifi_password -> Nullable<Binary>,
        created_at -> BigInt,
        updated_at -> BigInt,
        serial -> Nullable<Text>,
        provider_proof -> Nullable<Binary>,
        mqtt_userinfo -> Nullable<Binary>,
        name_folded -> Text,
    }
}

diesel::table! {
    clients (client_id) {
        client_id -> Text,
        device_key -> Text,
        enabled -> Bool,
        created_at -> BigInt,
    }
}

diesel::table! {
    client_secrets (id) {
        id -> Text,
        client_id -> Text,
        secret -> Binary,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    signing_keys (kid) {
        kid -> Text,
        secret -> Binary,
        created_at -> BigInt,
        is_first -> Nullable<Bool>,
    }
}

diesel::table! {
    audit (id) {
        id -> BigInt,
        at -> BigInt,
        actor -> Text,
        action -> Text,
        device_id -> Nullable<BigInt>,
        model_id -> Nullable<BigInt>,
        source -> Text,
        outcome -> Text,
        attempt -> Nullable<BigInt>,
        reason -> Nullable<Text>,
    }
}

diesel::table! {
    idempotency_keys (caller, key) {
        caller -> Text,
        key -> Text,
        fingerprint -> Binary,
        created_at -> BigInt,
        device_id -> Nullable<BigInt>,
        status -> Nullable<Integer>,
        location -> Nullable<Text>,
        etag -> Nullable<Text>,
        body -> Nullable<Binary>,
    }
}

diesel::table! {
    flashes (id) {
        id -> BigInt,
        device_id -> BigInt,
        current_device_id -> Nullable<BigInt>,
        mac -> Text,
        chip -> Text,
        partition_name -> Text,
        partition_offset -> BigInt,
        partition_size -> BigInt,
        tool -> Text,
        started_at -> BigInt,
        ended_at -> Nullable<BigInt>,
        outcome -> Nullable<Text>,
        sectors -> Nullable<BigInt>,
        bytes -> Nullable<BigInt>,
        reason -> Nullable<Text>,
    }
}

diesel::table! {
    sessions (id) {
        id -> Binary,
        proof -> Binary,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::joinable!(devices -> device_models (device_model_id));
diesel::joinable!(flashes -> devices (current_device_id));
diesel::joinable!(client_secrets -> clients (client_id));
diesel::allow_tables_to_appear_in_same_query!(devices, device_models, clients, client_secrets, flashes);

/// The columns of `device_models` and `devices` that override the provisioning settings. Passes a table's name and
/// these columns to the macro `$with`.
macro_rules! overrides_columns {
    ($with:ident, $table:ident) => {
        $with! {
            $table,
            text: [base_url, token_url, mqtt_url, wifi_ssid],
            sealed: [mqtt_userinfo, wifi_password]
        }
    };
}
pub(crate) use overrides_columns;
