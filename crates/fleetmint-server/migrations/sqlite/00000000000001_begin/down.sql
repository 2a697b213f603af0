DROP TABLE audit;
DROP TABLE signing_keys;
DROP TABLE client_secrets;
DROP TABLE clients;
DROP TABLE devices;
DROP TABLE device_models;
DROP TABLE instance;
