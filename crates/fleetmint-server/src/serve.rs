//! The start of the service, step by step, and its end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::access::http::GateParts;
use crate::access::{Access, Gate, Refusals, TokenError, TokenOrigin, TokenStore};
use crate::app::{App, Parts};
use crate::audit::{self, Audit, Entry, Outcome, Reason as _};
use crate::clock::Clock;
use crate::config::{Data, Provider, Server, Settings};
use crate::control::Control;
use crate::data_folder::{self, DataFolder, Lock};
use crate::database::{self, Connection, Database, OpenError};
use crate::descriptors;
use crate::enrolment::reconciler;
use crate::http::own_origin::OwnOrigin;
use crate::http::{LargeBodies, Limits};
use crate::identity::Identity;
use crate::identity::builtin::{Builtin, SigningKeyError};
use crate::identity::keycloak::{self, Keycloak};
use crate::instance;
use crate::metrics::Metrics;
use crate::operation::Operation;
use crate::page::Asset;
use crate::random::Random;
use crate::readiness::Readiness;
use crate::router::Endpoints;
use crate::seal::{MasterKey, Seal};
use crate::sessions::Sessions;
use crate::{devices, idempotency, listener, models};

/// Why the service does not start. One line each, for the terminal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Folder(#[from] data_folder::Error),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Database(#[from] database::Error),
    #[error("{}: {cause}", path.display())]
    Link { path: PathBuf, cause: io::Error },
    #[error(
        "{} is missing, and the secrets in the database are sealed with the key that it held; put it back, or set \
         data.master_key",
        path.display()
    )]
    NoMasterKey { path: PathBuf },
    #[error(
        "there is no database at {}, although {} shows that there was one: every device's secret is in it. Restore it \
         from a backup, correct data.database_url, or start once with --new-database to begin with an empty one",
        database.display(), trace.display()
    )]
    LostDatabase { database: PathBuf, trace: PathBuf },
    #[error(transparent)]
    MasterKey(#[from] instance::KeyError),
    #[error("server.listen: {listen} is in use by another program; choose another address with --listen")]
    AddressInUse { listen: String },
    #[error("server.listen: {listen}: {cause}")]
    Listen { listen: String, cause: io::Error },
    #[error(transparent)]
    SigningKey(#[from] SigningKeyError),
    #[error(transparent)]
    Keycloak(#[from] keycloak::StartError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Model(#[from] models::Error),
    #[error(transparent)]
    Device(#[from] devices::Error),
}

/// A service that is ready to answer.
#[derive(Debug)]
pub struct Service {
    app: App,
    endpoints: Endpoints,
    listener: TcpListener,
    address: SocketAddr,
    limits: Limits,
    token: TokenOrigin,
    folder: DataFolder,
    control: Option<Control>,
    /// Dropped last: until then the data folder is locked for this process.
    _lock: Lock,
}

impl Service {
    /// Starts the service: it then listens, and [`Service::serve`] answers.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn start(
        settings: Settings,
        page: &'static [Asset],
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, Error> {
        let folder = DataFolder::create(&settings.data.dir)?;
        let path = checked_database(&settings.data, &folder)?;
        if !settings.data.allow_shared_dir {
            folder.warn_about_ancestors([&settings.data.database, &path]);
        }
        let lock = folder.lock()?;
        refuse_lost_database(&settings, &folder)?;
        folder.delete_leftovers(&lock)?;
        let database = Database::open(&path)?;
        let seal = seal(&settings.data, &folder, &database, &random, &*clock).await?;
        folder.note_database()?;
        seal_userinfo(&database, &seal, &*clock).await?;
        let (listener, address) = listen(&settings.server.listen).await?;
        let limits = limits(&settings.server);
        let (settings, warnings) = settings.listening(address);
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        let metrics = Metrics::default();
        let identity = match &settings.identity.provider {
            Provider::Builtin => Identity::Builtin(Builtin::start(&database, &settings, &seal, &random, clock.now())?),
            Provider::Keycloak(keycloak) => Identity::Keycloak(Keycloak::start(
                keycloak,
                &metrics,
                Arc::clone(&random),
                Arc::clone(&clock),
            )?),
        };
        let bootstrap_token = settings.access.bootstrap_token.as_ref();
        let store = TokenStore {
            database: database.clone(),
            folder: folder.clone(),
            seal: seal.clone(),
            random: Arc::clone(&random),
            clock: Arc::clone(&clock),
        };
        let (access, token) = Access::start(store, bootstrap_token)?;
        let control = Control::listen(&folder, &access);
        let audit = Audit::start(&database, Arc::clone(&clock));
        let refusals = Arc::new(Refusals::new(settings.access.refusals_per_minute, Arc::clone(&clock)));
        let gate = Gate::new(GateParts {
            access,
            sessions: Sessions::new(database.clone(), seal.clone(), Arc::clone(&random), Arc::clone(&clock)),
            identity: identity.clone(),
            own_origin: OwnOrigin::new(settings.server.public_url.as_deref()),
            refusals: Arc::clone(&refusals),
            clock: Arc::clone(&clock),
        });
        let app = App::new(Parts {
            database,
            identity,
            audit,
            metrics,
            gate,
            refusals,
            readiness: Readiness::new(Arc::clone(&clock)),
            large_bodies: LargeBodies::new(settings.server.large_bodies_max),
            settings: Arc::new(settings),
            seal,
            clock,
            random,
        });
        let endpoints = Endpoints::new(&app, page);
        Ok(Self {
            app,
            endpoints,
            listener,
            address,
            limits,
            token,
            folder,
            control,
            _lock: lock,
        })
    }

    /// The address that the service listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the administrator's token comes from.
    pub fn token(&self) -> TokenOrigin {
        self.token
    }

    /// The file that holds the administrator's token, unless the settings do.
    pub fn token_path(&self) -> PathBuf {
        self.folder.admin_token_path()
    }

    pub fn app(&self) -> &App {
        &self.app
    }

    /// Answers until `stop` resolves. Calls in progress then have ten seconds to end.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let sweepers = [
            tokio::spawn(idempotency::sweep(self.app.clone())),
            tokio::spawn(self.app.gate.sessions().clone().sweep()),
        ];
        let reconciler = tokio::spawn(reconciler::run(self.app.clone()));
        let (stop_control, control) = serve_control(self.control);
        listener::serve(self.listener, self.endpoints, self.limits, stop).await;
        drop(stop_control);
        if control.await.is_err() {
            tracing::error!("the control socket ended abnormally");
        }
        // A row that it was working on is repaired after the next start.
        reconciler.abort();
        for sweeper in sweepers {
            sweeper.abort();
        }
        // No caller waits for the outcomes of the last attempts, so they are committed here.
        self.app.audit.flush().await;
    }
}

/// Serves the control socket until the sender is dropped.
fn serve_control(control: Option<Control>) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel();
    let serve = async move {
        if let Some(control) = control {
            control.serve(async { drop(stopped.await) }).await;
        }
    };
    (stop, tokio::spawn(serve))
}

/// A missing database is not silently replaced by an empty one: the devices of the old one would be refused.
fn refuse_lost_database(settings: &Settings, folder: &DataFolder) -> Result<(), Error> {
    let database = &settings.data.database;
    let there = std::fs::metadata(database).is_ok_and(|file| file.len() > 0);
    match folder.trace_of_a_database() {
        Some(trace) if !there && !settings.data.new_database => Err(Error::LostDatabase {
            database: database.clone(),
            trace,
        }),
        _ => Ok(()),
    }
}

/// The database's path, after checking that nobody else can write its folder and the data folder. If the settings name
/// a link, this is the path of its target: the write-ahead log is beside that.
fn checked_database(data: &Data, folder: &DataFolder) -> Result<PathBuf, Error> {
    let link = |cause| Error::Link {
        path: data.database.clone(),
        cause,
    };
    let path = if data.database_is_named && data.database.is_symlink() {
        data.database.canonicalize().map_err(link)?
    } else {
        data.database.clone()
    };
    if !data.allow_shared_dir {
        folder.check_access()?;
        folder.check_access_to(&data.database)?;
        if path != data.database {
            folder.check_access_to(&path)?;
        }
    }
    Ok(path)
}

/// The data folder of a service that may be running, for commands that ask it over the control socket.
///
/// # Errors
/// Other users can write the folder. Root may ask the server of the folder's owner.
pub fn folder_to_ask(data: &Data) -> Result<DataFolder, Error> {
    let folder = DataFolder::existing(&data.dir);
    if !data.allow_shared_dir {
        folder.check_access_to_ask()?;
    }
    Ok(folder)
}

/// The data folder and the database of a service that has run before, for commands beside it.
///
/// # Errors
/// Other users can write one of their folders; there is no database, or it has another schema than this program's.
pub fn attach(data: &Data) -> Result<(DataFolder, Database), Error> {
    let folder = DataFolder::existing(&data.dir);
    let database = Database::attach(&checked_database(data, &folder)?)?;
    Ok((folder, database))
}

/// The master key of the settings, else the data folder's, and where it comes from.
fn given_key(data: &Data, folder: &DataFolder) -> Result<Option<(MasterKey, String)>, Error> {
    if let Some(key) = &data.master_key {
        return Ok(Some((key.clone(), "the one in data.master_key".to_owned())));
    }
    let path = folder.master_key_path();
    Ok(folder
        .master_key()?
        .map(|key| (key, format!("the one in {}", path.display()))))
}

/// The service's seal; a new database gets a new master key if none is given.
async fn seal(
    data: &Data,
    folder: &DataFolder,
    database: &Database,
    random: &Arc<dyn Random>,
    clock: &dyn Clock,
) -> Result<Seal, Error> {
    if given_key(data, folder)?.is_none() && !database.read(instance::has_master_key).await? {
        folder.create_master_key(&**random)?;
        tracing::warn!(
            "a master key was created and stored in {}: whoever has it and the database has every secret, and without it \
             the database is worth nothing; keep a copy of it in a safe place",
            folder.master_key_path().display()
        );
    }
    checked_seal(data, folder, database, random, |connection| {
        let record = Entry::of_start(clock.now(), Operation::SetMasterKey);
        audit::insert(connection, &record, Outcome::Succeeded)
    })
}

/// The seal of a service that has run before, for commands beside it.
///
/// # Errors
/// There is no master key, or it is not the database's.
pub fn existing_seal(
    data: &Data,
    folder: &DataFolder,
    database: &Database,
    random: &Arc<dyn Random>,
) -> Result<Seal, Error> {
    checked_seal(data, folder, database, random, |_| Ok(()))
}

/// The seal under the given key, if that is the database's. `is_set` is called if the database had no key before.
fn checked_seal(
    data: &Data,
    folder: &DataFolder,
    database: &Database,
    random: &Arc<dyn Random>,
    is_set: impl FnOnce(&mut Connection) -> Result<(), database::Error>,
) -> Result<Seal, Error> {
    let (key, given) = given_key(data, folder)?.ok_or_else(|| Error::NoMasterKey {
        path: folder.master_key_path(),
    })?;
    let seal = Seal::new(&key, Arc::clone(random));
    database.write_blocking::<_, Error>(|connection| {
        if instance::check_master_key(connection, &seal, &given)? {
            is_set(connection)?;
        }
        Ok(())
    })?;
    Ok(seal)
}

/// Seals what the migration that inserted this row found: user names and passwords in URLs, which it had no key to
/// seal.
const UNSEALED_USERINFO: &str = "unsealed_userinfo";

async fn seal_userinfo(database: &Database, seal: &Seal, clock: &dyn Clock) -> Result<(), Error> {
    if database
        .read(|connection| instance::get(connection, UNSEALED_USERINFO))
        .await?
        .is_none()
    {
        return Ok(());
    }
    let record = Entry::of_start(clock.now(), Operation::SealUserinfo);
    let attempt = database.write_blocking::<_, database::Error>(|connection| audit::start(connection, &record))?;
    let sealed = seal_and_forget(database, seal);
    let outcome = match &sealed {
        Ok(()) => Outcome::Succeeded,
        Err(Error::Database(error)) => Outcome::Failed(error.reason()),
        Err(_) => Outcome::Failed("internal-error"),
    };
    let ended = database.write_blocking::<_, database::Error>(|connection| {
        if sealed.is_ok() {
            instance::delete(connection, UNSEALED_USERINFO)?;
        }
        audit::end(connection, &record, attempt, outcome, clock.now())
    });
    sealed?;
    Ok(ended?)
}

fn seal_and_forget(database: &Database, seal: &Seal) -> Result<(), Error> {
    database.write_blocking(|connection| -> Result<(), Error> {
        models::seal_userinfo(connection, seal)?;
        devices::seal_userinfo(connection, seal)?;
        Ok(())
    })?;
    // Until then the log has the pages' old content. If the process is killed in between, the next start does this
    // again.
    Ok(database.empty_log()?)
}

/// The default limit of connections: each can hold a head of 64 KiB.
const CONNECTIONS_DEFAULT: usize = 4096;

/// Descriptors reserved for other uses than connections: database, log, identity provider, listener.
const DESCRIPTORS_KEPT: u64 = 64;

/// The limit of connections: that of the settings, but never more than the descriptors allow.
fn limits(settings: &Server) -> Limits {
    let room = descriptors::raise().map_or(usize::MAX, |descriptors| {
        let kept = DESCRIPTORS_KEPT.min(descriptors / 2);
        usize::try_from(descriptors - kept).unwrap_or(usize::MAX)
    });
    let wanted = settings.max_connections.unwrap_or(CONNECTIONS_DEFAULT);
    if settings.max_connections.is_some() && wanted > room {
        tracing::warn!("server.max_connections: {wanted} is more than the limit on open files allows: {room}");
    }
    let all = wanted.min(room).max(1);
    Limits {
        all,
        per_address: settings.max_connections_per_address.unwrap_or(all.div_ceil(4)).min(all),
    }
}

async fn listen(listen: &str) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |cause: io::Error| match cause.kind() {
        io::ErrorKind::AddrInUse => Error::AddressInUse {
            listen: listen.to_owned(),
        },
        _ => Error::Listen {
            listen: listen.to_owned(),
            cause,
        },
    };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}
