//! Places at which a test can kill the process, to check that unfinished work is repaired after a restart.
//!
//! Only with the feature `failpoints`, which no release has; without it reaching a step does nothing.

macro_rules! steps {
    ($($variant:ident = $name:literal, $provider:ident;)*) => {
        /// A step of a workflow, named after what has just been done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Step { $($variant,)* }

        /// The identity provider of a step, or a command.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum With { Builtin, Keycloak, Command }

        impl Step {
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            pub const fn provider(self) -> With {
                match self { $(Self::$variant => With::$provider,)* }
            }
        }
    };
}

steps! {
    BuiltinCreateRow = "builtin.create.row", Builtin;
    BuiltinCreateClient = "builtin.create.client", Builtin;
    BuiltinCreateDone = "builtin.create.done", Builtin;
    BuiltinDeleteRow = "builtin.delete.row", Builtin;
    BuiltinDeleteClient = "builtin.delete.client", Builtin;
    BuiltinDeleteDone = "builtin.delete.done", Builtin;
    BuiltinSyncClient = "builtin.sync.client", Builtin;
    BuiltinSyncDone = "builtin.sync.done", Builtin;
    KeycloakCreateIntent = "keycloak.create.intent", Keycloak;
    KeycloakCreateClient = "keycloak.create.client", Keycloak;
    KeycloakCreateDone = "keycloak.create.done", Keycloak;
    KeycloakDeleteIntent = "keycloak.delete.intent", Keycloak;
    KeycloakDeleteClient = "keycloak.delete.client", Keycloak;
    KeycloakDeleteDone = "keycloak.delete.done", Keycloak;
    KeycloakSyncIntent = "keycloak.sync.intent", Keycloak;
    KeycloakSyncClient = "keycloak.sync.client", Keycloak;
    KeycloakSyncDone = "keycloak.sync.done", Keycloak;
    ResetBegun = "reset.begun", Command;
    ResetFile = "reset.file", Command;
    ResetDone = "reset.done", Command;
}

/// The environment variable that names the step at which the process is killed.
pub const VARIABLE: &str = "FLEETMINT_FAILPOINT";

/// Does nothing; with the feature, and if the environment names this step, the process is killed here.
#[inline]
pub fn reach(step: Step) {
    #[cfg(feature = "failpoints")]
    if std::env::var(VARIABLE).is_ok_and(|wanted| wanted == step.name()) {
        let id = std::process::id().to_string();
        let _ = std::process::Command::new("kill").args(["-9", &id]).status();
        // The signal has been sent.
        loop {
            std::thread::park();
        }
    }
    #[cfg(not(feature = "failpoints"))]
    let _ = step;
}
