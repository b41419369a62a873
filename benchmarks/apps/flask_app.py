from flask import Flask

app = Flask(__name__)


@app.route("/")
def index():
    return "Hello, world!"


@app.route("/user/<name>")
def user(name):
    return {"name": name, "greeting": f"Hello, {name}!"}
