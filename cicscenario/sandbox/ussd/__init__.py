"""The sandbox's phone interface: an HTTP server that speaks cic-ussd's protocol, on real PostgreSQL and Redis.

What is seen from outside (statuses, reasons, texts, rows, keys, messages) is cic-ussd's, of 2022-05 or, with dialect
2021, of 2021-08. The account menus beyond balance and PIN are not part of it.
"""
