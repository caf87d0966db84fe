#!/usr/bin/env bash
# Runs once, in an empty database: the role that CRPBot works under, which is no superuser.
# CREATEDB is for `manage.py replay`, which makes and drops a scratch database of its own.
psql -v ON_ERROR_STOP=1 -X -q -U "$POSTGRES_USER" -d postgres -v password="$(cat /run/secrets/db_password)" <<'SQL'
create role crpbot login nosuperuser createdb password :'password';
create database crpbot owner crpbot;
revoke all on database crpbot from public;
SQL
