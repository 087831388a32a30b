// The Express side of the interop example, with the routes of ../src/bin/interop.rs. How to run both is said there.

import connectPgSimple from 'connect-pg-simple'
import { RedisStore } from 'connect-redis'
import express from 'express'
import session from 'express-session'
import { createClient } from 'redis'

async function openStore (url) {
  if (url.startsWith('redis:')) {
    const client = createClient({ url })
    client.on('error', (error) => console.error(`redis: ${error.message}`))
    await client.connect()
    return new RedisStore({ client })
  }
  if (/^postgres(ql)?:/.test(url)) {
    const PgStore = connectPgSimple(session)
    return new PgStore({ conString: url, createTableIfMissing: true })
  }
  throw new Error('the store is the first argument: redis://… or postgres://…')
}

const secret = process.env.SESSION_SECRET
if (!secret) throw new Error('SESSION_SECRET is the secret of both services')

const app = express()
app.use(express.urlencoded({ extended: false }))
app.use(session({ secret, store: await openStore(process.argv[2] ?? ''), resave: false, saveUninitialized: false }))

app.get('/', (req, res) => {
  const { user = null, views = 0, note = null } = req.session
  res.json({ server: 'node', user, views, note })
})

app.post('/views', (req, res) => {
  req.session.views = (req.session.views ?? 0) + 1
  res.json(req.session.views)
})

app.post('/login', (req, res, next) => {
  req.session.regenerate((error) => {
    if (error) return next(error)
    req.session.user = req.body.name
    res.json('logged in')
  })
})

app.post('/logout', (req, res, next) => {
  req.session.destroy((error) => error ? next(error) : res.json('logged out'))
})

// A field of this service alone: the struct of the Rust service doesn't have it.
app.post('/note', (req, res) => {
  req.session.note = req.body.note
  res.json('noted')
})

const server = app.listen(process.env.PORT ?? 3001, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`)
})
