/** The shop's tables, and the orders that the sample mails are about. Made again, nothing changes. */
export const tables = `
  create schema if not exists shop;
  create table if not exists shop.orders (
    id text primary key, customer text not null, item text not null, paid_cents int not null,
    state text not null, tracking text);
  alter table shop.orders add column if not exists paid_by text not null default 'card';
  create table if not exists shop.refunds (
    key text primary key, run text not null, order_id text not null unique references shop.orders,
    cents int not null check (cents > 0), allowed_at timestamptz not null default now());
  create table if not exists shop.escalations (
    id bigint generated always as identity primary key, key text not null unique, run text not null,
    customer text not null, reason text not null, made_at timestamptz not null default now());
  insert into shop.orders (id, customer, item, paid_cents, state, tracking) values
    ('A-1001', 'ana.silva@example.com', 'Headlamp 400', 3990, 'shipped', 'GX-5530-21'),
    ('A-1002', 'joerg.mueller@example.org', 'Chalk bags, two', 3450, 'delivered', null),
    ('A-1003', 'priya@example.net', 'Rope 9.5 mm, 70 m', 18900, 'delivered', null),
    ('A-1004', 'tom.okafor@example.com', 'Quickdraws and a locking carabiner', 6400, 'delivered', null),
    ('A-1005', 'm.dubois@example.org', 'Harness', 7900, 'delivered', null),
    ('A-1006', 'begona@example.com', 'Climbing shoes', 9900, 'shipped', 'GX-5531-07'),
    ('A-1007', 'mallory@example.com', 'Guide book', 3000, 'delivered', null),
    ('A-1008', 'ines.costa@example.com', 'Crash pad', 15900, 'shipped', 'GX-5533-90'),
    ('A-1009', 'kenji.sato@example.net', 'Ice axe', 4500, 'delivered', null),
    ('A-1010', 'sofia.rossi@example.com', 'Belay glasses', 2400, 'delivered', null),
    ('A-1011', 'sofia.rossi@example.com', 'Tent', 12000, 'delivered', null)
  on conflict do nothing;
  update shop.orders set paid_by = 'transfer' where id = 'A-1009';`;
