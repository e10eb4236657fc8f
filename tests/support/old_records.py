"""People as the old tools wrote them."""

#: Three records as the tools of 2022 generated them, in their order. The first two were imported, the third was not.
RECORDS = [
    (
        '{"date_registered": 1705618357, "gender": "other", "identities": {"evm": {"foo": {"1:oldchain":'
        ' ["02ac0f818271e7f2a19bfbcdd0d7aa3a2290caa1"]}}}, "location": {"area_name": "kabiro", "latitude":'
        ' 82.4643505794024, "longitude": -174.86111200698048}, "products": ["boutique"], "vcard":'
        ' "QkVHSU46VkNBUkQNClZFUlNJT046My4wDQpFTUFJTDphZHJpYW5hNjVAY3Jpc3RlYS5jb20NCkZOOkFkcmlhblwsIERhdWdoZXJ0eQ0KTjpE'
        'YXVnaGVydHk7QWRyaWFuOzs7DQpURUw7VFlQPUNFTEw6KzI1NDE1OTc4NDc3MQ0KRU5EOlZDQVJEDQo=", "date_of_birth": {"year": 1946}}'
    ),
    (
        '{"date_registered": 1733381054, "gender": "other", "identities": {"evm": {"foo": {"1:oldchain":'
        ' ["256f767794e85bf1fcb09e04df26be222de0666c"]}}}, "location": {"area_name": "ruben", "latitude":'
        ' 18.823722274811487, "longitude": -1.192810747143966}, "products": ["teacher"], "vcard":'
        ' "QkVHSU46VkNBUkQNClZFUlNJT046My4wDQpFTUFJTDpsdWRvdmljYWRpYWNvbmVzY3VAZW5lLXN0YW5jdS5jb20NCkZOOkVyaWNhXCwgUHJlacOf'
        'DQpOOlByZWnDnztFcmljYTs7Ow0KVEVMO1RZUD1DRUxMOisyNTQ0NDYxODY2NDINCkVORDpWQ0FSRA0K", "date_of_birth": {"year": 2002}}'
    ),
    (
        '{"date_registered": 1729235563, "gender": "male", "identities": {"evm": {"foo": {"1:oldchain":'
        ' ["2a78d6bf22a6d0d296895a5e2f53dcb849463569"]}}}, "location": {"area_name": "madewani"}, "products": ["boutique"],'
        ' "vcard": "QkVHSU46VkNBUkQNClZFUlNJT046My4wDQpFTUFJTDpqYW5lemljaXJtYUBlbWFpbC5zaQ0KRk46RWluYXJcLCBXYW5nDQpOOldh'
        'bmc7RWluYXI7OzsNClRFTDtUWVA9Q0VMTDorMjU0OTQ4MjMyNjM2DQpFTkQ6VkNBUkQNCg=="}'
    ),
]
