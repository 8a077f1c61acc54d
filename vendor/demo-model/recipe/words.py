"""The words that the tasks are made of."""

SHE = """Anna Mary Sara Emma Lena Nina Clara Julia Laura Maria Eva Ida Rosa Olga Vera Zoe Alice Amy Beth Carol Diana Ella
Fiona Grace Hanna Irene Jane Kate Lucy Mia Nora Paula Rita Sofia Tina Wendy Lily Martha Helen Ruth""".split()
HE = """Tom Ben Carl David Erik Felix Georg Hugo Ivan Jack Karl Leo Max Noah Oscar Paul Peter Ralf Sam Theo Victor Walter
Adam Bruno Chris Daniel Edward Frank Gavin Henry Ian James Kevin Luke Mark Nick Oliver Philip Robert Simon""".split()
NAMES = SHE + HE

ITEMS = """apples pears plums oranges lemons eggs books pens pencils stamps coins cards shells stones marbles balls toys
cups plates spoons candles flowers roses tickets stickers buttons nuts cookies cakes carrots potatoes onions bottles
boxes bags keys shirts socks hats chairs lamps letters photos tomatoes""".split()
CONTAINERS = """box bag basket shelf drawer crate jar case tray pack""".split()
PLURALS = {"box": "boxes", "shelf": "shelves"}
GOODS = """pen book cup lamp hat shirt ball toy map chair plate cake ticket bag knife clock scarf torch umbrella brush""".split()

CITIES = """Berlin Paris London Rome Madrid Vienna Oslo Lisbon Prague Dublin Athens Warsaw Milan Lyon Porto Geneva Zurich
Bergen Naples Turin Hamburg Munich Bonn Leeds York Bath Oxford Ghent Basel Krakow""".split()
JOBS = """teacher doctor baker farmer pilot painter nurse singer writer lawyer cook driver tailor gardener engineer
dentist judge sailor waiter builder plumber actor banker librarian""".split()
PETS = """dog cat rabbit parrot horse goat turtle hamster pony goldfish duck hen""".split()
COLOURS = """red blue green yellow black white brown pink grey orange purple""".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
FOODS = """soup rice bread cheese fish salad pizza pasta cake honey eggs beans corn toast stew""".split()
DRINKS = "tea coffee milk water juice cocoa lemonade cider".split()
HOBBIES = """chess tennis football swimming cooking singing painting reading hiking dancing skiing fishing sailing
knitting running climbing""".split()
ROOMS = """kitchen garden garage bathroom bedroom hall office cellar attic library""".split()
OBJECTS = """ball book key lamp cup hat coat letter map box phone umbrella basket clock ring knife""".split()
VEHICLES = "car bike bus train van boat truck tram".split()
MATERIALS = "wood glass metal paper stone silk wool leather plastic clay".split()

GROUPS = {
    "fruit": "apple pear plum orange lemon cherry banana grape peach".split(),
    "animal": "dog cat horse cow sheep goat pig rabbit mouse".split(),
    "colour": "red blue green yellow black white brown pink".split(),
    "tool": "hammer saw drill file wrench axe pliers".split(),
    "drink": "tea coffee milk water juice cocoa".split(),
    "vehicle": "car bike bus train van boat truck tram".split(),
    "furniture": "table chair bed desk sofa shelf bench".split(),
    "clothing": "shirt hat coat sock scarf glove dress".split(),
}
# Words that mean nothing, so that a syllogism is followed and not remembered.
NONSENSE = """blorps daxes wugs zibs florps tamas gleps nerks plins yuzzes kroms vints sloops quibs morps fends""".split()

COMPANIES = """Northwind Lakeside Brightway Stonebridge Greenfield Silverline Oakwood Riverton Hillcrest Eastgate
Sunrise Bluestone""".split()
PRODUCTS = """printer laptop monitor phone camera desk chair lamp router keyboard scanner heater""".split()


def plural(word):
    return PLURALS.get(word, word + "s")


def a(word):
    return ("an " if word[0] in "aeiou" else "a ") + word
