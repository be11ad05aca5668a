#!/bin/sh
# Run once, by the server's image, on an empty volume: a role for each service, which owns one database and sees no other.
set -eu
for service in users products orders; do
    psql --quiet --set ON_ERROR_STOP=1 --username postgres --dbname postgres \
        --set service="$service" --set password="$(cat "/run/secrets/${service}_database_password")" <<'SQL'
CREATE ROLE :"service" LOGIN PASSWORD :'password';
CREATE DATABASE :"service" OWNER :"service" TEMPLATE template0 ENCODING 'UTF8';
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
SQL
done
