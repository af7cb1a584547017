"""The words of the built-in worlds: English, Traditional Chinese as written in Taiwan, and their grammatical forms.

An entry is English words, then Chinese ones. A slash precedes the irregular English forms: the plural of a noun (`-`
for a mass noun, `=` for one that is only plural), past and participle of a verb. A noun's second Chinese word is its
measure word. Semicolons separate entries.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

PEOPLE = """
teacher 老師 位; doctor 醫生 位; nurse 護理師 位; student 學生 個; engineer 工程師 位; lawyer 律師 位; farmer 農夫 個;
cook 廚師 位; driver 司機 位; artist 藝術家 位; singer 歌手 位; writer 作家 位; poet 詩人 位; painter 畫家 位;
scientist 科學家 位; professor 教授 位; police officer 警察 位; firefighter 消防員 位; soldier 士兵 個; pilot 機師 位;
baker 麵包師傅 位; barber 理髮師 位; carpenter 木匠 個; fisherman/fishermen 漁夫 個; dentist 牙醫 位; judge 法官 位;
journalist 記者 位; photographer 攝影師 位; actor 演員 位; dancer 舞者 位; musician 音樂家 位; pianist 鋼琴家 位;
translator 翻譯員 位; librarian 圖書館員 位; secretary 秘書 位; manager 經理 位; boss 老闆 位; worker 工人 個;
waiter 服務生 個; tailor 裁縫 個; butcher 肉販 個; gardener 園丁 個; mechanic 技師 位; plumber 水電工 個;
electrician 電工 個; cashier 收銀員 個; salesperson/salespeople 店員 個; accountant 會計師 位; architect 建築師 位;
designer 設計師 位; programmer 程式設計師 位; scholar 學者 位; historian 歷史學家 位; biologist 生物學家 位;
chemist 化學家 位; physicist 物理學家 位; mathematician 數學家 位; astronaut 太空人 位; explorer 探險家 位;
inventor 發明家 位; coach 教練 位; athlete 運動員 位; swimmer 游泳選手 位; runner 跑者 個; player 選手 位;
referee 裁判 位; guard 警衛 個; thief/thieves 小偷 個; spy 間諜 個; detective 偵探 位; witness 證人 位; guest 客人 位;
host 主人 位; neighbor 鄰居 個; friend 朋友 個; classmate 同學 個; colleague 同事 個; roommate 室友 個;
stranger 陌生人 個; tourist 觀光客 個; traveler 旅客 個; passenger 乘客 個; customer 顧客 位; patient 病人 個;
volunteer 志工 個; villager 村民 個; citizen 市民 個; king 國王 位; queen 皇后 位; prince 王子 位; princess 公主 位;
president 總統 位; mayor 市長 位; minister 部長 位; diplomat 外交官 位; principal 校長 位; director 導演 位;
editor 編輯 位; publisher 出版商 個; monk 和尚 位; priest 神父 位; magician 魔術師 位; clown 小丑 個; baby 嬰兒 個;
child/children 孩子 個; boy 男孩 個; girl 女孩 個; man/men 男人 個; woman/women 女人 個; old man/old men 老先生 位;
old lady 老太太 位; teenager 青少年 個; twin 雙胞胎 個; orphan 孤兒 個; hero/heroes 英雄 位; captain 船長 位;
sailor 水手 個; messenger 信差 個; mail carrier 郵差 個; reporter 採訪記者 位; researcher 研究員 位; expert 專家 位;
assistant 助理 位; intern 實習生 個; beginner 初學者 個; winner 得獎者 位; leader 領導人 位; landlord 房東 位;
tenant 房客 位; beggar 乞丐 個; millionaire 百萬富翁 位; psychologist 心理學家 位; pharmacist 藥師 位;
surgeon 外科醫生 位; veterinarian 獸醫 位; flight attendant 空服員 位; college student 大學生 個;
high school student 高中生 個; foreigner 外國人 個; fan 粉絲 個
"""

KIN = """
father 爸爸; mother 媽媽; older brother 哥哥; younger brother 弟弟; older sister 姊姊; younger sister 妹妹;
grandfather 爺爺; grandmother 奶奶; uncle 叔叔; aunt 阿姨; son 兒子; daughter 女兒; husband 丈夫; wife 太太;
cousin 表哥; nephew 姪子; niece 姪女; grandson 孫子; granddaughter 孫女; parents/= 父母
"""

ANIMALS = """
dog 狗 隻; cat 貓 隻; bird 鳥 隻; rabbit 兔子 隻; horse 馬 匹; cow 牛 頭; pig 豬 隻; sheep/sheep 綿羊 隻;
goat 山羊 隻; chicken 雞 隻; duck 鴨子 隻; goose/geese 鵝 隻; tiger 老虎 隻; lion 獅子 頭; elephant 大象 頭;
monkey 猴子 隻; bear 熊 隻; panda 貓熊 隻; wolf/wolves 狼 隻; fox 狐狸 隻; deer/deer 鹿 隻; snake 蛇 條; frog 青蛙 隻;
turtle 烏龜 隻; crocodile 鱷魚 隻; whale 鯨魚 隻; dolphin 海豚 隻; shark 鯊魚 隻; penguin 企鵝 隻; eagle 老鷹 隻;
owl 貓頭鷹 隻; parrot 鸚鵡 隻; crow 烏鴉 隻; sparrow 麻雀 隻; pigeon 鴿子 隻; swan 天鵝 隻; peacock 孔雀 隻;
butterfly 蝴蝶 隻; bee 蜜蜂 隻; ant 螞蟻 隻; spider 蜘蛛 隻; mosquito/mosquitoes 蚊子 隻; fly 蒼蠅 隻;
giraffe 長頸鹿 隻; zebra 斑馬 匹; camel 駱駝 頭; kangaroo 袋鼠 隻; koala 無尾熊 隻; squirrel 松鼠 隻;
hedgehog 刺蝟 隻; donkey 驢子 頭; crab 螃蟹 隻; lobster 龍蝦 隻; octopus 章魚 隻; jellyfish/jellyfish 水母 隻;
lizard 蜥蜴 隻; leopard 花豹 隻; rhinoceros 犀牛 頭; hippopotamus 河馬 頭; firefly 螢火蟲 隻; puppy 小狗 隻;
kitten 小貓 隻; hamster 倉鼠 隻; goldfish/goldfish 金魚 條
"""

FOOD = """
apple 蘋果 顆; orange 柳橙 顆; banana 香蕉 根; mango/mangoes 芒果 顆; peach 桃子 顆; pear 梨子 顆; lemon 檸檬 顆;
pineapple 鳳梨 顆; watermelon 西瓜 顆; papaya 木瓜 顆; guava 芭樂 顆; strawberry 草莓 顆; cherry 櫻桃 顆;
tomato/tomatoes 番茄 顆; potato/potatoes 馬鈴薯 顆; carrot 紅蘿蔔 根; cucumber 小黃瓜 根; onion 洋蔥 顆;
pumpkin 南瓜 顆; cabbage 高麗菜 顆; eggplant 茄子 根; egg 雞蛋 顆; tea egg 茶葉蛋 顆; sandwich 三明治 個;
hamburger 漢堡 個; hot dog 熱狗 根; pizza 披薩 個; dumpling 水餃 顆; steamed bun 包子 個; rice ball 飯糰 個;
pancake 鬆餅 片; cookie 餅乾 片; donut 甜甜圈 個; egg roll 蛋捲 根; lunch box 便當 個; spring roll 春捲 根;
sausage 香腸 根; steak 牛排 塊; moon cake 月餅 個; pineapple cake 鳳梨酥 塊; sweet potato/sweet potatoes 地瓜 條;
corn dog 炸熱狗 根; walnut 核桃 顆; chestnut 栗子 顆; pie 派 個; salad 沙拉 份; omelet 歐姆蛋 份; hot pot 火鍋 鍋;
oyster omelet 蚵仔煎 份; coconut 椰子 顆; persimmon 柿子 顆
"""

MASS_FOOD = """
rice/- 飯 碗; beef noodle soup/- 牛肉麵 碗; soup/- 湯 碗; porridge/- 稀飯 碗; fried rice/- 炒飯 盤; bread/- 麵包 片;
cheese/- 起司 片; ham/- 火腿 片; cake/- 蛋糕 塊; chocolate/- 巧克力 塊; tofu/- 豆腐 塊; meat/- 肉 塊;
ice cream/- 冰淇淋 碗; shaved ice/- 刨冰 碗; popcorn/- 爆米花 包; candy/- 糖果 包; sugar/- 糖 包; salt/- 鹽 包;
yogurt/- 優格 盒; spinach/- 菠菜 盤; seafood/- 海鮮 盤; pasta/- 義大利麵 盤; toast/- 吐司 片; sashimi/- 生魚片 盤;
fruit/- 水果 盤; beef/- 牛肉 盤; pork/- 豬肉 盤
"""

DRINKS = """
water/- 水 杯; tea/- 茶 杯; coffee/- 咖啡 杯; milk/- 牛奶 杯; juice/- 果汁 杯; orange juice/- 柳橙汁 杯;
soy milk/- 豆漿 杯; beer/- 啤酒 瓶; wine/- 葡萄酒 瓶; cola/- 可樂 瓶; soda/- 汽水 瓶; bubble tea/- 珍珠奶茶 杯;
milk tea/- 奶茶 杯; green tea/- 綠茶 杯; black tea/- 紅茶 杯; lemonade/- 檸檬水 杯; hot chocolate/- 熱可可 杯;
mineral water/- 礦泉水 瓶; whisky/- 威士忌 瓶; champagne/- 香檳 瓶; oolong tea/- 烏龍茶 杯; medicine/- 藥水 瓶;
rice wine/- 米酒 瓶
"""

THINGS = """
pen 筆 枝; pencil 鉛筆 枝; eraser 橡皮擦 塊; ruler 尺 把; bag 包包 個; backpack 背包 個; suitcase 行李箱 個;
wallet 皮夾 個; umbrella 雨傘 把; camera 相機 台; phone 手機 支; computer 電腦 台; laptop 筆電 台; tablet 平板電腦 台;
printer 印表機 台; television 電視 台; radio 收音機 台; clock 時鐘 個; lamp 檯燈 盞; candle 蠟燭 根; mirror 鏡子 面;
comb 梳子 把; knife/knives 刀子 把; fork 叉子 把; spoon 湯匙 支; bowl 碗 個; plate 盤子 個; cup 杯子 個;
bottle 瓶子 個; kettle 水壺 個; pan 平底鍋 個; basket 籃子 個; box 盒子 個; vase 花瓶 個; ball 球 顆; balloon 氣球 顆;
doll 娃娃 個; toy 玩具 個; kite 風箏 隻; ticket 票 張; map 地圖 張; stamp 郵票 張; postcard 明信片 張; photo 照片 張;
poster 海報 張; credit card 信用卡 張; passport 護照 本; calendar 月曆 本; dictionary 字典 本; notebook 筆記本 本;
textbook 課本 本; book 書 本; novel 小說 本; magazine 雜誌 本; diary 日記 本; chair 椅子 張; table 桌子 張;
desk 書桌 張; bed 床 張; sofa 沙發 張; bookshelf/bookshelves 書架 個; wardrobe 衣櫃 個; carpet 地毯 張;
curtain 窗簾 塊; pillow 枕頭 個; blanket 毯子 條; towel 毛巾 條; soap/- 肥皂 塊; toothbrush 牙刷 支; hammer 鐵鎚 把;
saw 鋸子 把; screwdriver 螺絲起子 把; ladder 梯子 把; rope 繩子 條; needle 針 根; scissors/= 剪刀 把; broom 掃把 把;
bucket 水桶 個; refrigerator 冰箱 台; washing machine 洗衣機 台; microwave 微波爐 台; air conditioner 冷氣機 台;
necklace 項鍊 條; flower 花 朵; rose 玫瑰 朵; sword 劍 把; gift 禮物 份; medal 獎牌 面; flag 旗子 面; robot 機器人 個;
telescope 望遠鏡 台; microscope 顯微鏡 台; vacuum cleaner 吸塵器 台; envelope 信封 個; brush 刷子 把; tent 帳篷 頂;
fishing rod 釣竿 支; oven 烤箱 台; lighter 打火機 個; pearl 珍珠 顆; diamond 鑽石 顆; statue 雕像 座;
treasure 寶物 件; lock 鎖 把; whistle 哨子 個; bell 鈴鐺 個; drone 無人機 台
"""

TEXTS = """
article 文章 篇; report 報告 份; story 故事 個; poem 詩 首; newspaper 報紙 份; email 電子郵件 封; essay 作文 篇;
recipe 食譜 份; contract 合約 份; menu 菜單 份; biography 傳記 本; thesis/theses 論文 篇; message 訊息 則;
comic book 漫畫 本; review 評論 篇; news story 新聞 則; fairy tale 童話 篇; manual 說明書 本; speech 演講稿 篇;
love letter 情書 封; script 劇本 本; blog post 網誌文章 篇
"""

SHOWS = """
movie 電影 部; play 舞台劇 齣; cartoon 卡通 部; documentary 紀錄片 部; TV series/TV series 電視劇 部;
concert 演唱會 場; baseball game 棒球比賽 場; show 節目 個; performance 表演 場; opera 歌劇 齣; sunset 夕陽 個;
film 影片 部; parade 遊行 場
"""

CLOTHES = """
shirt 襯衫 件; coat 外套 件; sweater 毛衣 件; dress 洋裝 件; T-shirt T恤 件; jacket 夾克 件; suit 西裝 套;
uniform 制服 套; skirt 裙子 條; trousers/= 褲子 條; jeans/= 牛仔褲 條; shorts/= 短褲 條; raincoat 雨衣 件;
swimsuit 泳衣 件; vest 背心 件; shoes/= 鞋子 雙; boots/= 靴子 雙; socks/= 襪子 雙; sandals/= 涼鞋 雙;
slippers/= 拖鞋 雙; pajamas/= 睡衣 套; robe 長袍 件
"""

ACCESSORIES = """
hat 帽子 頂; cap 棒球帽 頂; helmet 安全帽 頂; tie 領帶 條; scarf/scarves 圍巾 條; gloves/= 手套 雙; mask 口罩 個;
sunglasses/= 太陽眼鏡 副; watch 手錶 支; ring 戒指 枚; earrings/= 耳環 副; bracelet 手鍊 條; crown 皇冠 頂;
wig 假髮 頂
"""

DRIVEN = """
car 車 輛; bus 公車 輛; truck 卡車 輛; taxi 計程車 輛; van 廂型車 輛; sports car 跑車 輛; fire engine 消防車 輛;
ambulance 救護車 輛; boat 小船 艘; tractor 曳引機 台; train 火車 列; ship 船 艘
"""

RIDDEN = """
bicycle 腳踏車 輛; motorcycle 摩托車 輛; scooter 機車 輛; pony 小馬 匹; tricycle 三輪車 輛; unicycle 單輪車 輛;
mule 騾子 頭
"""

TAKEN = """
the bus 公車; the train 火車; the subway 捷運; a taxi 計程車; a plane 飛機; the high-speed train 高鐵; a boat 船;
the ferry 渡輪; the tram 電車; an airplane 飛機; the elevator 電梯; the cable car 纜車
"""

BUILDINGS = """
library 圖書館 座; school 學校 所; hospital 醫院 間; museum 博物館 座; restaurant 餐廳 間; hotel 飯店 間;
supermarket 超市 間; post office 郵局 間; police station 警察局 間; train station 火車站 座; airport 機場 座;
office 辦公室 間; factory 工廠 間; church 教堂 座; temple 廟 座; theater 劇院 座; bookstore 書店 間; bakery 麵包店 間;
coffee shop 咖啡廳 間; night market 夜市 座; market 市場 座; zoo 動物園 座; garden 花園 座; kitchen 廚房 間;
bedroom 臥室 間; living room 客廳 間; bathroom 浴室 間; classroom 教室 間; laboratory 實驗室 間; gym 健身房 間;
swimming pool 游泳池 座; stadium 體育場 座; farm 農場 座; castle 城堡 座; palace 皇宮 座; dormitory 宿舍 間;
convenience store 便利商店 間; department store 百貨公司 間; gas station 加油站 座; bus stop 公車站 個;
pharmacy 藥局 間; clinic 診所 間; barber shop 理髮店 間; flower shop 花店 間; gallery 畫廊 間; studio 工作室 間;
embassy 大使館 座; city hall 市政府 座; university 大學 所; kindergarten 幼兒園 所; elementary school 國小 所;
harbor 港口 座; bridge 橋 座; tower 塔 座; apartment 公寓 間; house 房子 棟; villa 別墅 棟; skyscraper 摩天大樓 棟;
garage 車庫 間; warehouse 倉庫 座; basement 地下室 間; nightclub 夜店 間; bar 酒吧 間; tea house 茶館 間;
pet shop 寵物店 間; toy store 玩具店 間; shoe store 鞋店 間; temple fair 廟會 場; aquarium 水族館 座; prison 監獄 座;
cinema 電影院 間; concert hall 音樂廳 座; monastery 修道院 座; lighthouse 燈塔 座
"""

SPOTS = """
by the river 河邊; by the sea 海邊; on the beach 沙灘上; in the mountains 山上; in the forest 森林裡;
by the lake 湖邊; at home 家裡; on the street 街上; in the park 公園裡; under the tree 樹下; on the roof 屋頂上;
on the balcony 陽台上; in the countryside 鄉下; on the playground 操場上; at the door 門口; in the yard 院子裡;
by the window 窗邊; in the desert 沙漠裡; on the island 島上; in the village 村子裡; in the cave 山洞裡;
on the train 火車上; on the bus 公車上; on the plane 飛機上; on the stage 舞台上; in the snow 雪地裡;
in the sun 太陽下; in the rain 雨中; on the stairs 樓梯上; at the entrance 入口; on the hill 山坡上;
in the field 田裡; in the jungle 叢林裡; under the bridge 橋下; at the party 派對上; in the meeting 會議上;
downtown 市中心; abroad 國外; upstairs 樓上; on the sidewalk 人行道上; at the crossroads 十字路口; by the fire 火邊;
in the tent 帳篷裡; at the bottom of the sea 海底
"""

SURFACES = """
on the table 桌上; on the desk 書桌上; on the chair 椅子上; on the bed 床上; on the floor 地上; on the sofa 沙發上;
on the wall 牆上; in the drawer 抽屜裡; in the box 盒子裡; in the bag 包包裡; in the refrigerator 冰箱裡;
in the car 車上; in the cupboard 櫥櫃裡; on the bookshelf 書架上; in the basket 籃子裡; on the shelf 架子上;
next to the door 門旁邊; in front of the window 窗戶前面; behind the door 門後面; under the bed 床底下;
under the table 桌子底下; in the corner 角落裡; in the kitchen 廚房裡; beside the computer 電腦旁邊;
in the pocket 口袋裡; between the two chairs 兩張椅子中間; on top of the cabinet 櫃子上面
"""

CITIES = """
Taipei 台北; Taichung 台中; Tainan 台南; Kaohsiung 高雄; Hualien 花蓮; Taiwan 台灣; Japan 日本; Tokyo 東京;
Osaka 大阪; Kyoto 京都; Korea 韓國; Seoul 首爾; China 中國; Beijing 北京; Shanghai 上海; Hong Kong 香港;
Singapore 新加坡; Thailand 泰國; Bangkok 曼谷; Vietnam 越南; India 印度; Delhi 德里; Turkey 土耳其; Egypt 埃及;
Cairo 開羅; Kenya 肯亞; Nigeria 奈及利亞; Morocco 摩洛哥; France 法國; Paris 巴黎; Germany 德國; Berlin 柏林;
Italy 義大利; Rome 羅馬; Spain 西班牙; Madrid 馬德里; Greece 希臘; Athens 雅典; England 英國; London 倫敦;
Ireland 愛爾蘭; Sweden 瑞典; Norway 挪威; Finland 芬蘭; Poland 波蘭; Russia 俄羅斯; Moscow 莫斯科; Switzerland 瑞士;
Austria 奧地利; Vienna 維也納; Canada 加拿大; Toronto 多倫多; America 美國; New York 紐約; Boston 波士頓;
Chicago 芝加哥; San Francisco 舊金山; Los Angeles 洛杉磯; Mexico 墨西哥; Brazil 巴西; Argentina 阿根廷; Chile 智利;
Peru 秘魯; Australia 澳洲; Sydney 雪梨; New Zealand 紐西蘭; Iceland 冰島; Portugal 葡萄牙; Belgium 比利時;
Denmark 丹麥; Hungary 匈牙利; Cuba 古巴; Nepal 尼泊爾; Indonesia 印尼; Malaysia 馬來西亞; Hawaii 夏威夷; Tibet 西藏;
Venice 威尼斯
"""

NAMES = """
Tom 湯姆 m; Mary 瑪麗 f; John 約翰 m; Alice 愛麗絲 f; Bob 鮑伯 m; Peter 彼得 m; Paul 保羅 m; David 大衛 m;
Michael 麥可 m; James 詹姆斯 m; Robert 羅伯特 m; William 威廉 m; Richard 理查 m; Thomas 湯瑪斯 m; Charles 查爾斯 m;
Daniel 丹尼爾 m; Mark 馬克 m; George 喬治 m; Kevin 凱文 m; Brian 布萊恩 m; Edward 愛德華 m; Jason 傑森 m;
Eric 艾瑞克 m; Steven 史蒂芬 m; Andrew 安德魯 m; Frank 法蘭克 m; Henry 亨利 m; Jack 傑克 m; Adam 亞當 m; Simon 賽門 m;
Oscar 奧斯卡 m; Victor 維克多 m; Leo 里歐 m; Martin 馬丁 m; Samuel 山繆 m; Benjamin 班傑明 m; Alexander 亞歷山大 m;
Nicholas 尼可拉斯 m; Patrick 派翠克 m; Albert 艾伯特 m; Ivan 伊凡 m; Carlos 卡洛斯 m; Diego 迪亞哥 m; Emma 艾瑪 f;
Lisa 麗莎 f; Anna 安娜 f; Susan 蘇珊 f; Linda 琳達 f; Karen 凱倫 f; Nancy 南西 f; Betty 貝蒂 f; Helen 海倫 f;
Sandra 珊卓拉 f; Sarah 莎拉 f; Laura 蘿拉 f; Emily 艾蜜莉 f; Julia 茱莉亞 f; Grace 葛瑞絲 f; Rose 蘿絲 f; Jane 珍 f;
Jessica 潔西卡 f; Amy 艾咪 f; Angela 安琪拉 f; Diana 黛安娜 f; Catherine 凱瑟琳 f; Elizabeth 伊莉莎白 f;
Margaret 瑪格麗特 f; Victoria 維多利亞 f; Sophia 蘇菲亞 f; Olivia 奧莉維亞 f; Isabella 伊莎貝拉 f; Charlotte 夏綠蒂 f;
Amelia 艾蜜莉亞 f; Lucy 露西 f; Nina 妮娜 f; Maria 瑪莉亞 f; Teresa 泰瑞莎 f; Monica 莫妮卡 f; Rachel 瑞秋 f;
Phoebe 菲比 f; Cindy 辛蒂 f; Wendy 溫蒂 f; Mr. Wang 王先生 m; Ms. Lin 林小姐 f; Mr. Chen 陳先生 m;
Mrs. Chang 張太太 f; Dr. Huang 黃博士 m; Ms. Wu 吳小姐 f; Mr. Lee 李先生 m; Mrs. Liu 劉太太 f;
Professor Tsai 蔡教授 m; Ms. Yang 楊小姐 f; Mr. Hsu 許先生 m; Dr. Kuo 郭醫師 f; Mr. Smith 史密斯先生 m;
Mrs. Brown 布朗太太 f; Ms. Johnson 強森小姐 f; Mr. Taylor 泰勒先生 m
"""

LANGUAGES = """
English 英文; Chinese 中文; Japanese 日文; French 法文; German 德文; Spanish 西班牙文; Italian 義大利文; Korean 韓文;
Russian 俄文; Arabic 阿拉伯文; Taiwanese 台語; Hakka 客家話; Cantonese 廣東話; Latin 拉丁文; Thai 泰文;
Vietnamese 越南文; Portuguese 葡萄牙文
"""

SUBJECTS = """
math 數學; history 歷史; physics 物理; chemistry 化學; biology 生物; geography 地理; music 音樂; art 美術; law 法律;
economics 經濟學; philosophy 哲學; psychology 心理學; medicine 醫學; literature 文學; computer science 資訊工程;
statistics 統計學; astronomy 天文學; linguistics 語言學; architecture 建築; calligraphy 書法;
machine learning 機器學習; sociology 社會學
"""

IDEAS = """
problem 問題 個; plan 計畫 個; idea 主意 個; dream 夢想 個; secret 秘密 個; theory 理論 個; law 法律 條; rule 規則 條;
habit 習慣 個; decision 決定 個; answer 答案 個; lesson 課程 堂; method 方法 種; opinion 意見 個; opportunity 機會 個;
mistake 錯誤 個; goal 目標 個; project 專案 個; experiment 實驗 個; discovery 發現 項; invention 發明 項;
culture 文化 種; tradition 傳統 項; language 語言 種; technology 科技 種; disease 疾病 種; challenge 挑戰 項;
system 系統 套; solution 解決方法 個; policy 政策 項; reform 改革 項; trip 旅行 趟; task 任務 項; result 結果 個;
design 設計 個; course 課 門; exam 考試 場; war 戰爭 場; custom 風俗 種; skill 技能 項; story idea 故事構想 個;
proposal 提案 個; budget 預算 筆; strategy 策略 個; concept 概念 個; example 例子 個; reason 理由 個; mystery 謎 個;
promise 承諾 個; suggestion 建議 個; theorem 定理 個; algorithm 演算法 個; crisis/crises 危機 場; risk 風險 個
"""

STRINGS = "violin 小提琴 把; cello 大提琴 把; erhu 二胡 把; viola 中提琴 把; double bass 低音大提琴 把"
KEYS = """
piano 鋼琴 架; guitar 吉他 把; organ 風琴 架; zither 古箏 架; harp 豎琴 架; ukulele 烏克麗麗 把; lute 琵琶 把;
bass 貝斯 把
"""
WINDS = """
flute 長笛 支; trumpet 小號 支; saxophone 薩克斯風 支; clarinet 單簧管 支; harmonica 口琴 支; bagpipe 風笛 支;
oboe 雙簧管 支
"""
HAND_SPORTS = """
basketball 籃球; baseball 棒球; tennis 網球; badminton 羽毛球; volleyball 排球; table tennis 桌球; golf 高爾夫球;
mahjong 麻將; cards 撲克牌; bowling 保齡球; billiards 撞球; hockey 曲棍球; softball 壘球; dodgeball 躲避球;
rugby 橄欖球; squash 壁球
"""
FOOT_SPORTS = "soccer 足球; hacky sack 毽子"
BOARD_GAMES = "chess 西洋棋; go 圍棋; checkers 跳棋; Chinese chess 象棋; gomoku 五子棋"
GAMES = """
video games 電玩; board games 桌遊; hide-and-seek 捉迷藏; computer games 電腦遊戲; mobile games 手機遊戲; tag 鬼抓人;
house 扮家家酒; puzzles 拼圖
"""

TRANSITIVE = {
    # verb object: what may follow; "people" take names, kin and pronouns too.
    "people": """
help 幫忙; meet/met/met 遇見; see/saw/seen 看見; like 喜歡; love 愛; know/knew/known 認識; miss 想念; thank 感謝;
invite 邀請; visit 拜訪; wait for 等; look for 找; find/found/found 找到; trust 相信; teach/taught/taught 教;
follow 跟蹤; believe 相信; understand/understood/understood 了解; remember 記得; forget/forgot/forgotten 忘記;
hate 討厭; admire 欽佩; respect 尊敬; save 救; hug 擁抱; blame 責怪; praise 稱讚; encourage 鼓勵; recognize 認出;
forgive/forgave/forgiven 原諒; support 支持; protect 保護; interview 訪問; comfort 安慰; greet 問候; envy 羨慕;
scold 責罵; remind 提醒; warn 警告; introduce 介紹; avoid 避開; bother 打擾; cheat 欺騙; tease 嘲笑; imitate 模仿;
accompany 陪伴; surprise 嚇到; photograph 拍
""",
    "animals": """
feed/fed/fed 餵; keep/kept/kept 養; raise 飼養; chase 追; catch/caught/caught 抓到; see/saw/seen 看見;
draw/drew/drawn 畫; hunt 獵; like 喜歡; fear 怕; train 訓練; find/found/found 找到; touch 摸; watch 觀察; save 救;
photograph 拍; bathe 洗
""",
    "food": """
eat/ate/eaten 吃; cook 煮; make/made/made 做; buy/bought/bought 買; sell/sold/sold 賣; like 喜歡;
bring/brought/brought 帶; order 點; wash 洗; cut/cut/cut 切; taste 嚐; share 分享; fry 炸; bake 烤; want 想要;
serve 端; smell 聞; pack 打包; steal/stole/stolen 偷; throw away/threw away/thrown away 丟掉; prepare 準備
""",
    "drinks": """
drink/drank/drunk 喝; order 點; buy/bought/bought 買; make/made/made 泡; sell/sold/sold 賣; like 喜歡; pour 倒;
spill 打翻; want 想要; bring/brought/brought 帶; finish 喝完
""",
    "things": """
buy/bought/bought 買; sell/sold/sold 賣; lose/lost/lost 弄丟; find/found/found 找到; use 使用; need 需要; want 想要;
borrow 借; bring/brought/brought 帶; take/took/taken 拿; carry 搬; fix 修理; break/broke/broken 弄壞; clean 清理;
make/made/made 製作; collect 收集; hide/hid/hidden 藏; see/saw/seen 看見; draw/drew/drawn 畫;
choose/chose/chosen 選擇; receive 收到; return 歸還; steal/stole/stolen 偷; paint 畫; like 喜歡;
throw away/threw away/thrown away 丟掉; touch 摸; order 訂購; move 移動; test 測試; design 設計; rent 租; drop 摔;
pick up 撿起; hold/held/held 握; share 分享; check 檢查; wrap 包裝; decorate 裝飾; inspect 檢驗; donate 捐贈;
replace 更換
""",
    "texts": """
read/read/read 讀; write/wrote/written 寫; translate 翻譯; finish 完成; publish 發表; print 列印; send/sent/sent 寄;
receive 收到; edit 修改; copy 抄; discuss 討論; like 喜歡; share 分享; understand/understood/understood 看懂;
delete 刪除; sign 簽; recite 朗讀
""",
    "shows": """
watch 看; see/saw/seen 看; like 喜歡; enjoy 享受; miss 錯過; record 錄下; recommend 推薦; discuss 討論; review 評論
""",
    "clothes": """
wear/wore/worn 穿; buy/bought/bought 買; wash 洗; sell/sold/sold 賣; put on/put on/put on 穿上;
take off/took off/taken off 脫下; like 喜歡; try on 試穿; iron 燙; fold 摺; mend 縫補; sew/sewed/sewn 縫; need 需要;
dry 晾
""",
    "accessories": """
wear/wore/worn 戴; buy/bought/bought 買; put on/put on/put on 戴上; take off/took off/taken off 摘下;
lose/lost/lost 弄丟; sell/sold/sold 賣; like 喜歡; find/found/found 找到; try on 試戴; choose/chose/chosen 選擇;
need 需要
""",
    "driven": """
drive/drove/driven 開; buy/bought/bought 買; sell/sold/sold 賣; fix 修理; wash 洗; paint 漆; park 停; rent 租;
stop 攔下; see/saw/seen 看見; steal/stole/stolen 偷; push 推; inspect 檢驗; design 設計
""",
    "ridden": """
ride/rode/ridden 騎; buy/bought/bought 買; sell/sold/sold 賣; rent 租; wash 洗; lose/lost/lost 弄丟; need 需要;
see/saw/seen 看見
""",
    "taken": "take/took/taken 搭; wait for 等; miss 錯過; catch/caught/caught 趕上",
    "buildings": """
visit 參觀; build/built/built 蓋; run/ran/run 經營; leave/left/left 離開; design 設計; find/found/found 找到;
see/saw/seen 看見; own 擁有; clean 打掃; open 開; close 關; enter 走進; like 喜歡; rebuild/rebuilt/rebuilt 重建;
pass 經過; decorate 布置; protect 保護; photograph 拍
""",
    "ideas": """
discuss 討論; understand/understood/understood 了解; explain 解釋; change 改變; have/had/had 有; solve 解決;
forget/forgot/forgotten 忘記; need 需要; propose 提出; support 支持; study 研究; find/found/found 發現; describe 描述;
accept 接受; reject 拒絕; share 分享; present 介紹; oppose 反對; consider 考慮; announce 宣布; know/knew/known 知道;
remember 記得; think about/thought about/thought about 思考; analyze 分析; improve 改善; question 質疑;
criticize 批評; summarize 總結; mention 提到; record 記錄; prepare 準備
""",
    "languages": """
speak/spoke/spoken 說; learn 學; study 學; understand/understood/understood 聽懂; teach/taught/taught 教;
write/wrote/written 寫
""",
    "subjects": "study 主修; teach/taught/taught 教; learn 學; like 喜歡; love 愛; hate 討厭",
    "strings": "play 拉; buy/bought/bought 買; fix 修理; practice 練習; sell/sold/sold 賣; tune 調",
    "keys": "play 彈; buy/bought/bought 買; practice 練習; sell/sold/sold 賣; tune 調; fix 修理",
    "winds": "play 吹; buy/bought/bought 買; practice 練習; sell/sold/sold 賣; clean 清理",
    "hand_sports": "play 打; like 喜歡; practice 練習; learn 學; teach/taught/taught 教",
    "foot_sports": "play 踢; like 喜歡; practice 練習; learn 學",
    "board_games": "play 下; like 喜歡; learn 學; study 研究; teach/taught/taught 教",
    "games": "play 玩; like 喜歡; love 愛",
}  # fmt: skip

STATIVE = (
    "like love know miss trust believe understand remember hate admire respect envy fear want need have own forgive "
    "see find recognize forget keep raise lose catch enjoy support oppose"
)
"""English verbs without a progressive here, and whose passive is not formed with 被."""

NO_LE = "like love know trust believe understand remember hate admire respect envy fear want need have own"
"""English verbs whose Chinese takes no 了."""

BAD = {
    # What happens to things against somebody's will: English verb, Chinese verb with its result, what it happens to.
    "things": """
steal/stole/stolen 偷走; break/broke/broken 打破; take away/took away/taken away 拿走; find/found/found 找到;
hide/hid/hidden 藏起來; sell/sold/sold 賣掉; throw away/threw away/thrown away 丟掉; burn 燒掉; destroy 毀掉;
borrow 借走
""",
    "food": """
eat/ate/eaten 吃掉; steal/stole/stolen 偷走; throw away/threw away/thrown away 丟掉; buy/bought/bought 買走;
hide/hid/hidden 藏起來
""",
    "people": """
criticize 批評; scold 罵; cheat 騙; invite 邀請; forget/forgot/forgotten 忘記; hit/hit/hit 打; push 推倒;
wake up/woke up/woken up 吵醒; catch/caught/caught 抓住; save 救起來; stop 攔下來;
misunderstand/misunderstood/misunderstood 誤會; reject 拒絕; fire 開除; elect 選上
""",
    "animals": """
chase 追趕; catch/caught/caught 抓住; kill 殺死; frighten 嚇跑; save 救起來; steal/stole/stolen 偷走;
sell/sold/sold 賣掉; find/found/found 找到
""",
    "driven": """
steal/stole/stolen 偷走; sell/sold/sold 賣掉; tow away 拖走; damage 撞壞; stop 攔下來; rent 租走
""",
    "buildings": """
destroy 摧毀; sell/sold/sold 賣掉; tear down/tore down/torn down 拆掉; burn down 燒毀; close 關閉;
buy/bought/bought 買下
""",
    "texts": """
delete 刪掉; tear up/tore up/torn up 撕掉; publish 刊出來; translate 翻成中文; copy 抄走; lose/lost/lost 弄丟;
reject 退回
""",
}  # fmt: skip

LONG_ACTS = """
help look read write translate edit copy discuss watch review drive wash ride study explain analyze learn play
practice teach fix paint use clean design test train hunt follow wait think cook describe interview
"""
"""English verbs, by their first word, of what can go on for hours."""

INTRANSITIVE = """
sleep/slept/slept 睡覺 睡; run/ran/run 跑步 跑; swim/swam/swum 游泳 游; sing/sang/sung 唱歌 唱; dance 跳舞 跳;
cry 哭 哭; laugh 笑 笑; work 工作 工作; rest 休息 休息; walk 散步 走; talk 聊天 聊; wait 等待 等; cook 煮飯 煮;
study 念書 念; play 玩 玩; read/read/read 看書 看; exercise 運動 運動; shop 購物 逛; smoke 抽菸 抽; pray 禱告 禱告;
drive/drove/driven 開車 開; climb 爬山 爬; fish 釣魚 釣; camp 露營 露營; practice 練習 練習; dream 做夢 夢;
fight/fought/fought 打架 打; argue 吵架 吵; think/thought/thought 思考 思考; eat/ate/eaten 吃飯 吃;
draw/drew/drawn 畫畫 畫; ski 滑雪 滑; skate 溜冰 溜; jog 慢跑 跑; meditate 打坐 坐; travel 旅行 旅行;
write/wrote/written 寫作 寫; teach/taught/taught 教書 教; bathe 洗澡 洗; drink/drank/drunk 喝酒 喝;
speak/spoke/spoken 演講 講; surf 衝浪 衝浪; garden 種花 種; sit/sat/sat 坐著 坐; stand/stood/stood 站著 站;
lie/lay/lain 躺著 躺; live 住 住; wander 閒逛 逛; party 開派對 玩; snore 打呼 打呼; complain 抱怨 抱怨;
volunteer 當志工 當志工; hide/hid/hidden 躲藏 躲; gamble 賭博 賭; jump rope 跳繩 跳; sunbathe 做日光浴 曬
"""

PERSON_ADJECTIVES = """
tall 高; short 矮; young 年輕; kind 善良; clever 聰明; happy 快樂; sad 難過; busy 忙; tired 累; brave 勇敢;
strict 嚴格; polite 有禮貌; famous 有名; rich 有錢; poor 窮; lazy 懶惰; honest 誠實; shy 害羞; patient 有耐心;
strong 強壯; beautiful 美麗; handsome 英俊; friendly 友善; hungry 餓; thirsty 口渴; nervous 緊張; angry 生氣;
serious 認真; humorous 幽默; generous 大方; selfish 自私; careful 小心; healthy 健康; lonely 孤單; curious 好奇;
confident 有自信; stubborn 固執; talented 有才華; excited 興奮; worried 擔心; modest 謙虛; calm 冷靜; elegant 優雅;
careless 粗心; mature 成熟; naive 天真; hardworking 努力; optimistic 樂觀; pessimistic 悲觀; thin 瘦; fat 胖;
cheerful 開朗; loyal 忠誠
"""

THING_ADJECTIVES = """
new 新; old 舊; big 大; small 小; expensive 貴; cheap 便宜; heavy 重; light 輕; long 長; beautiful 漂亮; ugly 醜;
clean 乾淨; dirty 髒; useful 有用; strange 奇怪; special 特別; thick 厚; thin 薄; sharp 鋒利; soft 柔軟; hard 硬;
bright 亮; empty 空; full 滿; simple 簡單; precious 珍貴; ordinary 普通; fragile 脆弱; modern 現代; lovely 可愛;
convenient 方便; practical 實用; durable 耐用; shiny 閃亮
"""

COLORS = """
red 紅色; blue 藍色; green 綠色; yellow 黃色; white 白色; black 黑色; purple 紫色; pink 粉紅色; gray 灰色;
brown 咖啡色; orange 橘色; golden 金色; silver 銀色; navy blue 深藍色; light green 淺綠色; wooden 木頭; plastic 塑膠;
glass 玻璃; paper 紙; leather 皮革; metal 金屬
"""

FOOD_ADJECTIVES = """
delicious 好吃; sweet 甜; sour 酸; salty 鹹; spicy 辣; bitter 苦; fresh 新鮮; hot 燙; cold 冰; soft 軟; oily 油膩;
expensive 貴; cheap 便宜; healthy 健康; rotten 爛; big 大; small 小; crispy 酥脆; nutritious 營養; fragrant 香;
raw 生; juicy 多汁
"""

PLACE_ADJECTIVES = """
big 大; small 小; quiet 安靜; noisy 吵; crowded 擁擠; clean 乾淨; dirty 髒; old 老舊; new 新; beautiful 美麗;
famous 有名; dangerous 危險; safe 安全; far 遠; near 近; comfortable 舒服; dark 暗; bright 明亮; empty 空曠;
popular 熱門; modern 現代; mysterious 神秘; spacious 寬敞; magnificent 壯觀; remote 偏僻; peaceful 寧靜; lively 熱鬧;
convenient 方便; luxurious 豪華; humid 潮濕
"""

IDEA_ADJECTIVES = """
important 重要; difficult 困難; easy 容易; interesting 有趣; boring 無聊; good 好; bad 糟糕; new 新; old 古老;
complex 複雜; simple 簡單; strange 奇怪; useful 有用; serious 嚴重; dangerous 危險; great 偉大; common 常見;
special 特別; amazing 驚人; impossible 不可能; clear 清楚; popular 流行; creative 有創意; practical 實際;
perfect 完美; unfair 不公平; risky 冒險; successful 成功; abstract 抽象; urgent 緊急; valuable 寶貴
"""

ANIMAL_ADJECTIVES = """
big 大; small 小; cute 可愛; fierce 凶猛; hungry 餓; lazy 懶惰; clever 聰明; fast 快; slow 慢; fat 胖; thin 瘦;
dangerous 危險; noisy 吵; gentle 溫馴; strange 奇怪; rare 稀有; wild 野生; quiet 安靜; old 老; lively 活潑;
greedy 貪吃; strong 強壯
"""

BARE = "新舊大小好老長短"
"""Adjectives of one character that need no 的 before a noun."""

MANNER = """
slowly 慢慢地; quickly 很快地; quietly 安靜地; happily 開心地; carefully 仔細地; sadly 難過地; politely 有禮貌地;
secretly 偷偷地; patiently 耐心地; bravely 勇敢地; angrily 生氣地; suddenly 突然; seriously 認真地; nervously 緊張地;
proudly 驕傲地; gently 輕輕地; alone 獨自; together 一起; gladly 高興地; lazily 懶洋洋地; calmly 冷靜地;
hurriedly 匆忙地; loudly 大聲地; freely 自由地; silently 默默地; eagerly 熱切地; hesitantly 猶豫地; on purpose 故意;
by accident 不小心; in secret 暗中; as usual 照常; again 又
"""

PAST_ENDINGS = """
by mistake 不小心; by chance 碰巧; in the end 最後; at last 終於; for the first time 第一次; in a hurry 急忙
"""
ENDINGS = """
together 一起; alone 一個人; immediately 馬上; on purpose 故意; in secret 偷偷; in person 親自;
for free 免費; as usual 照樣; with great care 很小心地; without permission 擅自; in turn 輪流
"""
"""Adverbs at the end of an English clause, which come before the Chinese verb."""

FREQUENCY = """
often 常常; always 總是; usually 通常; sometimes 有時候; rarely 很少; never 從不; frequently 經常; seldom 不常;
occasionally 偶爾
"""

PAST_TIMES = """
yesterday 昨天; last night 昨晚; last week 上週; last month 上個月; last year 去年; this morning 今天早上;
the day before yesterday 前天; yesterday morning 昨天早上; yesterday afternoon 昨天下午; just now 剛才;
last summer 去年夏天; last winter 去年冬天; last spring 去年春天; last fall 去年秋天; long ago 很久以前;
that night 那天晚上; last weekend 上個週末; that day 那天; on New Year's Day 元旦那天;
during the holidays 放假的時候; at that time 那時候; in ancient times 古時候; earlier today 今天稍早;
the year before last 前年
"""

HABIT_TIMES = """
every day 每天; every morning 每天早上; every night 每天晚上; every week 每週; every month 每個月; every year 每年;
on weekends 週末; in the morning 早上; in the afternoon 下午; in the evening 傍晚; at night 晚上; in summer 夏天;
in winter 冬天; in spring 春天; in fall 秋天; after school 放學後; after work 下班後; before dinner 晚餐前;
after lunch 午餐後; at noon 中午; before class 上課前; on rainy days 下雨天; every other day 每隔一天;
during the day 白天; these days 最近; nowadays 現在; at midnight 半夜; early in the morning 一大早; on holidays 假日
"""

FUTURE_TIMES = """
tomorrow 明天; tonight 今晚; next week 下週; next month 下個月; next year 明年; the day after tomorrow 後天;
tomorrow morning 明天早上; tomorrow afternoon 明天下午; this weekend 這個週末; next summer 明年夏天;
next winter 明年冬天; soon 很快; later 待會; in the future 未來; this evening 今天傍晚; before Friday 星期五之前;
after graduation 畢業後; the year after next 後年; at the end of the month 月底; someday 有一天
"""

WEEKDAYS = "Monday 一; Tuesday 二; Wednesday 三; Thursday 四; Friday 五; Saturday 六; Sunday 日"
MONTHS = """
January 一; February 二; March 三; April 四; May 五; June 六; July 七; August 八; September 九; October 十;
November 十一; December 十二
"""

PERIODS = "minute 分鐘; hour 小時 個; day 天; week 星期 個; month 月 個; year 年"

MODALS = """
can 可以; should 應該; must 必須; may 可能會; could 能; might 也許會; would like to 想要; want to 想; need to 需要;
have to 得; plan to 打算; hope to 希望; dare to 敢; decide to 決定; try to 試著; begin to 開始
"""

CONTAINERS = "杯 cup; 瓶 bottle; 碗 bowl; 片 slice; 塊 piece; 包 bag; 盒 box; 盤 plate; 鍋 pot"

DOUBLED = "swim run cut put get sit stop plan jog shop hug drop chat pat wrap nod hit forget"
"""English verbs that double their last letter."""

LAUGHTER = "Laughter 笑聲; Applause 掌聲; Music 音樂; Video 影片; Cheers 歡呼聲; Sighs 嘆氣; Audio 音訊; Singing 歌聲"


SENSES = """
bank 銀行: put the money in the bank / 把錢存進銀行; borrowed a million dollars from the bank / 向銀行借了一百萬元;
  opened an account at the bank / 在銀行開了戶頭
bank 河岸: fished on the bank of the river / 在河岸釣魚;
  sat on the grassy bank and watched the boats / 坐在長滿草的河岸看船; pulled the canoe up the bank / 把獨木舟拉上河岸
spring 春天: planted the trees in spring / 在春天種了樹; waited for spring to come / 等春天來;
  moved here in the spring of 2015 / 2015年春天搬到這裡
spring 彈簧: replaced the rusty spring in the mattress / 換了床墊裡生鏽的彈簧;
  stretched the metal spring / 把金屬彈簧拉長
spring 溫泉: bathed in a hot spring / 泡了溫泉; stayed at a hot spring hotel / 住了溫泉旅館
bat 蝙蝠: saw a bat flying in the cave / 看見蝙蝠在山洞裡飛; was bitten by a bat / 被蝙蝠咬了
bat 球棒: swung the bat and hit a home run / 揮了球棒，打出一支全壘打;
  broke the wooden bat during the game / 在比賽中打斷了木頭球棒
crane 起重機: lifted the steel with a crane / 用起重機吊起鋼材;
  operated the crane at the construction site / 在工地操作起重機
crane 鶴: saw a white crane by the lake / 在湖邊看見一隻白鶴; folded a paper crane / 摺了一隻紙鶴
mouse 老鼠: caught a mouse in the kitchen / 在廚房抓到一隻老鼠; was afraid of the mouse under the bed / 怕床底下的老鼠
mouse 滑鼠: clicked the mouse twice / 按了兩下滑鼠; bought a wireless mouse for the computer / 買了電腦用的無線滑鼠
seal 海豹: took pictures of a seal on the ice / 拍了冰上的海豹; saw a seal swimming in the sea / 看見海豹在海裡游泳
seal 印章: stamped the document with a seal / 在文件上蓋了印章; carved a seal out of stone / 用石頭刻了印章
letter 信: mailed a letter to the bank manager / 寄了一封信給銀行經理;
  received a letter from an old friend / 收到老朋友的一封信
letter 字母: learned every letter of the alphabet / 學了每一個字母;
  wrote the first letter of the word / 寫了這個字的第一個字母
match 比賽: won the tennis match / 贏了網球比賽; lost the match by two points / 以兩分輸了比賽
match 火柴: lit the candle with a match / 用火柴點了蠟燭; struck a match in the dark / 在黑暗中劃了一根火柴
date 約會: went on a date with a classmate / 和同學去約會; was late for the date at the cinema / 電影院的約會遲到了
date 日期: wrote the date on the form / 在表格上寫了日期; forgot the date of the exam / 忘了考試的日期
park 公園: took a walk in the park / 在公園散步; had a picnic in the park / 在公園野餐
park 停車: could not find a place to park / 找不到地方停車; paid to park downtown / 付錢在市中心停車
present 禮物: opened the birthday present / 打開了生日禮物; wrapped the present in red paper / 用紅色的紙包了禮物
present 現在: lived in the present / 活在現在; compared the past with the present / 比較了過去和現在
kind 種: tried a new kind of tea / 試了一種新的茶; studied this kind of problem / 研究了這種問題
kind 親切: was very kind to the guests / 對客人非常親切; thanked the kind nurse / 感謝了親切的護理師
fan 電風扇: turned on the fan because it was hot / 因為很熱，打開了電風扇; repaired the electric fan / 修理了電風扇
fan 球迷: cheered with the other fans at the stadium / 和其他球迷在體育場歡呼;
  was a fan of the baseball team / 是那支棒球隊的球迷
glasses 眼鏡: could not read without glasses / 不戴眼鏡沒辦法看書; put on a pair of glasses / 戴上了一副眼鏡
glasses 玻璃杯: poured the wine into two glasses / 把葡萄酒倒進兩個玻璃杯; washed the dirty glasses / 洗了髒的玻璃杯
light 燈: turned off the light before going to bed / 睡覺前關了燈; stopped at the red light / 在紅燈前停了下來
light 輕: carried only a light bag / 只帶了很輕的包包; ate a light meal / 吃了一頓輕食
fall 秋天: watched the leaves turn red in the fall / 在秋天看葉子變紅; got married last fall / 去年秋天結婚了
fall 跌倒: was hurt in a fall on the stairs / 在樓梯上跌倒受傷了; survived a bad fall / 嚴重跌倒後活了下來
paper 論文: published a paper on machine learning / 發表了一篇機器學習的論文;
  cited the paper in the thesis / 在學位論文裡引用了那篇論文
paper 紙: drew a circle on a piece of paper / 在一張紙上畫了一個圓; recycled the old paper / 回收了舊紙
bill 帳單: paid the electricity bill / 付了電費帳單; asked the waiter for the bill / 跟服務生要了帳單
bill 法案: voted for the bill in parliament / 在國會投票支持法案; opposed the tax bill / 反對了稅務法案
nail 釘子: hammered a nail into the wall / 把釘子釘進牆壁; stepped on a rusty nail / 踩到生鏽的釘子
nail 指甲: painted every nail pink / 把每片指甲塗成粉紅色; bit a nail nervously / 緊張地咬指甲
file 檔案: deleted the file by mistake / 不小心刪了檔案; sent the file by email / 用電子郵件寄了檔案
file 銼刀: sharpened the tool with a file / 用銼刀磨利了工具; smoothed the wood with a file / 用銼刀磨平了木頭
key 鑰匙: locked the door with a key / 用鑰匙鎖了門; left the key at home / 把鑰匙忘在家裡
key 關鍵: explained the key to success / 說明了成功的關鍵; found the key point of the theory / 找到了理論的關鍵
court 法院: told the truth in court / 在法院說了實話; was sued in court / 在法院被告了
court 球場: practiced serving on the tennis court / 在網球場練習發球; cleaned the basketball court / 打掃了籃球場
plant 植物: watered the plant on the balcony / 給陽台上的植物澆了水; bought a green plant / 買了一盆綠色的植物
plant 工廠: worked at a car plant / 在汽車工廠工作; closed the chemical plant / 關閉了化學工廠
star 星星: saw a bright star in the sky / 在天空看見一顆明亮的星星; counted every star at night / 晚上數了每一顆星星
star 明星: became a movie star / 成為了電影明星; met a famous star at the airport / 在機場遇見一位有名的明星
note 音符: sang the high note perfectly / 完美地唱出了高音的音符;
  played the wrong note on the piano / 在鋼琴上彈錯了音符
note 紙條: left a note on the door / 在門上留了一張紙條; passed a note to a classmate / 傳了一張紙條給同學
cold 感冒: caught a cold / 感冒了; took some medicine for a cold / 吃了感冒藥
cold 冷: took a cold shower / 洗了冷水澡; complained about the cold weather / 抱怨了寒冷的天氣
bark 樹皮: peeled the bark off the tree / 剝了樹的樹皮; carved a name in the bark / 在樹皮上刻了名字
bark 叫聲: heard the bark of a dog / 聽見狗的叫聲; was woken by a loud bark / 被很大的狗叫聲吵醒了
ran 跑: ran five kilometers / 跑了五公里; ran to the station / 跑到車站
ran 經營: ran a small company for ten years / 經營了一間小公司十年;
  ran a restaurant with a friend / 和朋友經營了一間餐廳
ran 競選: ran for mayor / 競選了市長; ran for president twice / 競選了兩次總統
ran 執行: ran the program on a laptop / 在筆電上執行了程式; ran the same test again / 又執行了同樣的測試
drew 畫: drew a map on the blackboard / 在黑板上畫了地圖; drew a picture of a dog / 畫了一隻狗的圖
drew 抽: drew a card from the deck / 從一副牌裡抽了一張牌; drew a winning ticket / 抽到了中獎的票
drew 拉: drew the curtains / 拉上了窗簾; drew the cart along the road / 沿著路拉了車
took 拍: took a photo of the sunset / 拍了夕陽的照片; took pictures with a phone / 用手機拍照
took 吃藥: took the medicine after dinner / 晚餐後吃了藥; took two pills / 吃了兩顆藥
took 洗澡: took a bath / 洗了澡; took a hot shower / 洗了熱水澡
took 花: took three days to finish the report / 花了三天完成報告; took an hour to get home / 花了一個小時回到家
made 泡: made a pot of tea / 泡了一壺茶; made coffee for the guests / 為客人泡了咖啡
made 賺: made a lot of money / 賺了很多錢; made a million dollars / 賺了一百萬元
made 犯: made a big mistake / 犯了很大的錯; made the same error twice / 犯了兩次同樣的錯誤
made 交: made new friends at school / 在學校交了新朋友; made friends with the neighbors / 和鄰居交了朋友
opened 開: opened a new shop / 開了一間新店; opened a bottle of beer / 開了一瓶啤酒
opened 打開: opened the window / 打開了窗戶; opened the letter / 打開了信
got 變: got tired / 累了; got angry / 生氣了
got 收到: got an email from the teacher / 收到了老師的電子郵件; got good news / 收到了好消息
got 到: got to the airport at noon / 中午到了機場; got home late / 很晚到家
got 下: got off the bus / 下了公車; got out of the car / 下了車
broke 打破: broke the window with a ball / 用球打破了窗戶; broke a glass / 打破了一個玻璃杯
broke 違反: broke the law / 違反了法律; broke the rules of the game / 違反了比賽的規則
broke 斷: broke an arm while skiing / 滑雪的時候摔斷了手臂; broke a leg / 摔斷了腿
raised 舉: raised a hand to ask a question / 舉手問了問題; raised the flag / 升了旗子
raised 募: raised money for the school / 為學校募了錢; raised funds to build a hospital / 募款蓋了醫院
lost 迷路: got lost in the forest / 在森林裡迷路了; got lost on the way home / 回家的時候迷路了
lost 瘦: lost five kilograms / 瘦了五公斤; lost weight / 瘦了
left 左邊: turned left at the corner / 在轉角左轉了; sat on the left side / 坐在左邊
left 離開: left the company / 離開了公司; left without saying goodbye / 沒有說再見就離開了
right 右邊: turned right at the traffic light / 在紅綠燈右轉了; sat on the right side / 坐在右邊
right 對: gave the right answer / 給了對的答案; did the right thing / 做了對的事
hard 努力: studied hard for the exam / 為了考試努力念書; worked very hard / 非常努力工作
hard 硬: slept on a hard bed / 睡在很硬的床上; bit into a hard candy / 咬了很硬的糖果
hard 難: answered a hard question / 回答了很難的問題; solved a hard problem / 解決了很難的問題
current 電流: measured the current in the wire / 測量了電線裡的電流; increased the electric current / 增加了電流
current 水流: swam against the current / 逆著水流游泳; was carried away by the current / 被水流沖走了
tip 小費: gave the waiter a tip / 給了服務生小費; left a big tip on the table / 在桌上留了很多小費
tip 秘訣: shared a tip on learning languages / 分享了學語言的秘訣;
  gave the students a useful tip / 給了學生一個有用的秘訣
chip 晶片: designed a new computer chip / 設計了新的電腦晶片; tested the chip in the laboratory / 在實驗室測試了晶片
chip 洋芋片: ate a potato chip / 吃了一片洋芋片; dropped a chip on the sofa / 把洋芋片掉在沙發上
"""
"""Ambiguous words: an English word and one of its senses, then predicates in the past; a line that begins with blanks
continues the previous one."""

PHRASES = """
Thank you. / 謝謝。; Thank you very much. / 非常謝謝你們。; Good morning. / 早安。;
Good evening, everyone. / 大家晚安。; Excuse me. / 不好意思。; I am sorry. / 對不起。; You are welcome. / 不客氣。;
That is a good question. / 這是個好問題。; Let me give you an example. / 讓我舉個例子。;
What does this mean? / 這是什麼意思？; So what can we do? / 所以我們可以做什麼？;
It is not that simple. / 事情沒有那麼簡單。; Here is the answer. / 答案在這裡。;
Let me show you something. / 讓我給你們看個東西。; I have no idea. / 我不知道。; See you tomorrow. / 明天見。;
How are you? / 你好嗎？; I am fine, and you? / 我很好，你呢？; That is all. / 就這樣。;
Nobody knows why. / 沒有人知道為什麼。; Time is up. / 時間到了。; It does not matter. / 沒關係。; Of course. / 當然。;
Are you ready? / 你準備好了嗎？; Think about it. / 想想看。
"""


@dataclass(frozen=True)
class Entry:
    """One word: English, its irregular forms, Chinese, and the measure word or short verb that belongs to it."""

    english: str
    forms: tuple[str, ...]
    chinese: str
    extra: str = ""

    @property
    def head(self) -> str:
        """The first English word, which is inflected in a verb."""
        return self.english.split()[0]

    @property
    def mass(self) -> bool:
        """Whether a noun is not counted, as rice."""
        return self.forms[:1] == ("-",)

    @property
    def paired(self) -> bool:
        """Whether a noun has only a plural, as trousers."""
        return self.forms[:1] == ("=",)


@cache
def entries(text: str) -> tuple[Entry, ...]:
    """The entries of one of the lists above.

    >>> entries("man/men 男人 個; rice wine/- 米酒 瓶")[0]
    Entry(english='man', forms=('men',), chinese='男人', extra='個')
    """
    out = []
    for item in text.split(";"):
        words = item.split()
        cut = next(i for i, word in enumerate(words) if not word.isascii())
        english, *forms = " ".join(words[:cut]).split("/")
        out.append(Entry(english, tuple(forms), words[cut], words[cut + 1] if len(words) > cut + 1 else ""))
    return tuple(out)


def variants(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The plain and the formal variants of a cell; a cell without a bar has the same for both.

    >>> variants("看見/看到 | 目睹"), variants("牙刷")
    ((('看見', '看到'), ('目睹',)), (('牙刷',), ('牙刷',)))
    """
    plain, _, formal = (tuple(part.strip().split("/")) if part else () for part in text.partition("|"))
    return plain, formal or plain


def cells(text: str) -> Iterator[str]:
    return (cell.strip() for cell in text.split(";"))
