"""The sandbox's phone interface: an HTTP server with cic-ussd's protocol, on real PostgreSQL and Redis.

Everything that other programs can see (HTTP statuses and reasons, texts, database rows, Redis keys, messages) is the same
as in cic-ussd of 2022-05 or, with dialect 2021, of 2021-08. Of the account menus, only balance and PIN are supported.
"""
