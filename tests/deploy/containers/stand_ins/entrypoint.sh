#!/bin/sh
# What the servers' own images promise of their start, as far as the shop needs it.
set -eu

mkdir -p /run/postgresql 2>/dev/null || true
if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb --pgdata "$PGDATA" --username postgres --pwfile "$POSTGRES_PASSWORD_FILE" \
        --auth-local trust --auth-host scram-sha-256 >/dev/null
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    pg_ctl --pgdata "$PGDATA" --silent --wait --options "-c listen_addresses=''" start >/dev/null
    for script in /docker-entrypoint-initdb.d/*; do
        sh "$script"
    done
    pg_ctl --pgdata "$PGDATA" --silent --wait --mode fast stop
    echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
fi
case "$1" in -*) set -- prometheus "$@" ;; esac
exec "$@"
