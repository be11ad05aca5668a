// The shop as the usual Node tutorial builds it: `node shop.js users|products|orders|gateway PORT [PORTS OF THE OTHERS]`.
// Its database is a map in memory, which flatters it: nothing it says survives a restart.
const crypto = require("crypto");
const express = require("express");

const [role, port, ...others] = process.argv.slice(2);
const service = (index) => `http://127.0.0.1:${others[index]}`;

class Collection {
  documents = new Map();

  async insert(document) {
    const stored = { _id: crypto.randomUUID(), ...document, createdAt: new Date() };
    this.documents.set(stored._id, stored);
    return stored;
  }

  async find(id) {
    const found = this.documents.get(id);
    return found && { ...found };
  }

  async replace(document) {
    this.documents.set(document._id, document);
    return document;
  }
}

const answerFound = (response, found, what) =>
  found ? response.json(found) : response.status(404).json({ error: `${what} not found` });

function users(app) {
  const accounts = new Collection();
  app.post("/users", async (request, response) => {
    const { name, email } = request.body;
    response.status(201).json(await accounts.insert({ name, email }));
  });
  app.get("/users/:id", async (request, response) => answerFound(response, await accounts.find(request.params.id), "User"));
}

function products(app) {
  const catalogue = new Collection();
  app.post("/products", async (request, response) => response.status(201).json(await catalogue.insert({ stock: 0, ...request.body })));
  app.get("/products/:id", async (request, response) => answerFound(response, await catalogue.find(request.params.id), "Product"));
  app.patch("/products/:id/stock", async (request, response) => {
    const product = await catalogue.find(request.params.id);
    if (!product) return answerFound(response, product, "Product");
    product.stock += request.body.quantity;
    return response.json(await catalogue.replace(product));
  });
}

function orders(app) {
  const axios = require("axios");
  const placed = new Collection();
  app.post("/orders", async (request, response) => {
    try {
      const { userId, items } = request.body;
      await axios.get(`${service(0)}/users/${userId}`);
      let totalAmount = 0;
      const lines = [];
      for (const { productId, quantity } of items) {
        const { data: product } = await axios.get(`${service(1)}/products/${productId}`);
        if (product.stock < quantity) return response.status(400).json({ error: `Insufficient stock for product ${product.name}` });
        totalAmount += product.price * quantity;
        lines.push({ productId, quantity, price: product.price });
        await axios.patch(`${service(1)}/products/${productId}/stock`, { quantity: -quantity });
      }
      return response.status(201).json(await placed.insert({ userId, items: lines, totalAmount, status: "pending" }));
    } catch (error) {
      return response.status(500).json({ error: error.message });
    }
  });
}

function gateway(app) {
  const { rateLimit } = require("express-rate-limit");
  const { createProxyMiddleware } = require("http-proxy-middleware");
  const jwt = require("jsonwebtoken");
  const signedIn = (request, response, next) => {
    try {
      request.user = jwt.verify((request.headers.authorization || "").split(" ")[1], "secret");
      next();
    } catch {
      response.status(401).json({ error: "Invalid token" });
    }
  };
  const forward = (index) => createProxyMiddleware({ target: service(index), changeOrigin: true, pathRewrite: { "^/api": "" }, logLevel: "silent" });
  app.use(rateLimit({ windowMs: 15 * 60 * 1000, max: 1e9 }));
  app.use("/api/users", forward(0));
  app.use("/api/products", forward(1));
  app.use("/api/orders", signedIn, forward(2));
}

const app = express();
if (role !== "gateway") app.use(express.json());
app.get("/health", (request, response) => response.json({ status: "healthy" }));
({ users, products, orders, gateway })[role](app);
app.listen(port, "127.0.0.1", () => console.log(`${role} listens on ${port}`));
