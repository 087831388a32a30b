'use strict'

// The package express-token-session behind the same routes as its peer in tests/token_peer.rs.

const express = require('express')
const session = require('express-token-session')

const store = new session.MemoryStore()
const app = express()
app.use(session({ store }))

app.post('/begin', (req, res) => {
  session.generate(req)
  res.end(req.sessionToken)
})

app.get('/count', (req, res) => {
  if (!req.session) return res.end('no session')
  req.session.count = (req.session.count || 0) + 1
  res.end(String(req.session.count))
})

app.get('/count-and-fail', (req, res) => {
  if (req.session) req.session.count = (req.session.count || 0) + 1
  res.status(500).end('failed')
})

app.get('/reload', (req, res) => {
  if (!req.session) return res.end('no session')
  req.session.count = 100
  req.session.reload((err) => res.end(err ? 'failed' : String(req.session.count || 0)))
})

app.get('/destroy', (req, res) => {
  if (!req.session) return res.end('no session')
  req.session.destroy(() => res.end('destroyed'))
})

app.get('/stored', (req, res) => {
  store.length((_, length) => res.end(String(length)))
})

const server = app.listen(0, '127.0.0.1', () => console.log(server.address().port))
